// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"

	"github.com/skydive-project/skybridge/disk"
)

// maxEntry bounds the encoding of an entry: twice what a message of the feed may have.
const maxEntry = 32 << 20

// segmentFormat is that of the segments of a journal: each frame is an entry and has no body.
var segmentFormat = disk.Format{
	Magic: "skyinput", Version: FormatVersion, FrameMagic: 0x1e5ca9d7, MaxHead: maxEntry, Suffix: ".input",
}

// segment is a file of consecutive entries, named by the number of the first one.
type segment struct {
	first uint64
	name  string // with its directory
	salt  uint64
	size  int64 // of what was written
}

func newSegment(dir string, first uint64) *segment {
	return &segment{first: first, name: disk.NumberedName(dir, first, segmentFormat.Suffix), salt: rand.Uint64(), size: disk.HeaderSize}
}

// Recovery is what was wrong with a journal that was opened.
type Recovery struct {
	// CutBytes is how much was removed from the end of the journal, because it could not be
	// read: entries that a crash cut off.
	CutBytes int64
	// Damaged says that entries which could be read were among it, behind others that could
	// not. They may have been durable; or they were not, and a loss of power left some.
	Damaged bool
}

// create makes the segment's file, replacing an older one of that name, and makes it durable.
// nil content is a header alone.
func (s *segment) create(system disk.FS, content []byte) (disk.File, error) {
	if content == nil {
		content = disk.AppendHeader(nil, segmentFormat.Magic, segmentFormat.Version, s.salt)
	}
	dir := filepath.Dir(s.name)
	if err := disk.MakeDir(system, dir); err != nil {
		return nil, err
	}
	f, err := disk.Swap(system, s.name, content)
	if err != nil {
		return nil, err
	}
	if err := system.SyncDir(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// listSegments returns the segments of a directory, oldest first. Where one cannot be read, and
// not because it is damaged, there is an error.
func listSegments(system disk.FS, dir string) (segments []*segment, err error) {
	files, err := disk.ListNumbered(system, dir, segmentFormat.Suffix)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		s := newSegment(dir, file.Number)
		s.size = file.Size
		f, _, err := s.open(system)
		if err == nil {
			err = f.Close()
		}
		if err != nil && !errors.Is(err, disk.ErrDamaged) {
			return nil, err
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// open opens the segment to read its frames.
func (s *segment) open(system disk.FS) (io.Closer, *disk.FrameReader, error) {
	f, err := system.Open(s.name)
	if err != nil {
		return nil, nil, err
	}
	salt, err := disk.ReadHeader(f, segmentFormat.Magic, segmentFormat.Version)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", s.name, err), f.Close())
	}
	return f, &disk.FrameReader{From: &readAhead{from: f, size: s.size}, Format: &segmentFormat, Salt: salt, Size: s.size}, nil
}

// load returns what of the segment can be read, from its start, and how many entries that
// is; nil if not even its header can be read.
func (s *segment) load(system disk.FS) (content []byte, entries uint64, r Recovery, err error) {
	f, err := system.Open(s.name)
	if err != nil {
		return nil, 0, r, err
	}
	defer func() { _ = f.Close() }() // it was only read
	content = make([]byte, s.size)
	if err := disk.ReadFull(f, content, 0); err != nil {
		return nil, 0, r, fmt.Errorf("%s: %w", s.name, err)
	}
	from := bytes.NewReader(content)
	salt, err := disk.ReadHeader(from, segmentFormat.Magic, segmentFormat.Version)
	if err != nil {
		r = Recovery{CutBytes: s.size, Damaged: true}
		s.size = disk.HeaderSize
		return nil, 0, r, nil
	}
	s.salt = salt
	frames := disk.FrameReader{From: from, Format: &segmentFormat, Salt: salt, Size: s.size}
	end := int64(disk.HeaderSize)
	_, _, err = frames.Scan(func(_ int64, _ []byte, next int64) (int64, error) {
		if !r.Damaged {
			entries, end = entries+1, next
		}
		return next, nil
	}, func(int64, error) { r.Damaged = true })
	r.CutBytes, s.size = s.size-end, end
	return content[:end], entries, r, err
}

// readAheadBytes is how much is read at once.
const readAheadBytes = 1 << 20

// readAhead serves small reads in order from large ones.
type readAhead struct {
	from io.ReaderAt
	size int64 // of what is read
	buf  []byte
	at   int64 // where buf is from
}

// ReadAt implements io.ReaderAt.
func (r *readAhead) ReadAt(p []byte, offset int64) (int, error) {
	if r.buf == nil {
		r.buf = make([]byte, 0, min(readAheadBytes, r.size))
	}
	if len(p) > cap(r.buf) {
		return r.from.ReadAt(p, offset)
	}
	if offset < r.at || offset+int64(len(p)) > r.at+int64(len(r.buf)) {
		n, err := r.from.ReadAt(r.buf[:cap(r.buf)], offset)
		r.buf, r.at = r.buf[:n], offset
		if n < len(p) {
			return copy(p, r.buf), err
		}
	}
	return copy(p, r.buf[offset-r.at:]), nil
}
