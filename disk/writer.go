// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
)

// writeChunk is how much is written at once.
const writeChunk = 1 << 20

// SegmentWriter appends frames to numbered segments in a directory. Where that fails,
// the segment is left as it was before and never written again, for after a failed
// sync nothing is known of what was written. One goroutine uses it at a time.
type SegmentWriter struct {
	FS     FS
	Dir    string
	Format *Format
	// Last is the number of the last segment that was made.
	Last uint64

	active *Segment // nil: the next frame begins one
	file   File
	end    int64 // of the last frame that was synced
	named  bool  // the directory is synced
	buf    []byte
}

// ListSegments returns the segments among entries, which are sorted, and the greatest
// number of any.
func (f *Format) ListSegments(entries []Entry) (segments []Entry, last uint64) {
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name, f.Suffix)
		if n, err := strconv.ParseUint(base, 10, 64); ok && err == nil {
			segments, last = append(segments, e), max(last, n)
		}
	}
	return segments, last
}

// Size is how long the segment is that frames are appended to, 0: the next frame
// begins one.
func (w *SegmentWriter) Size() int64 {
	if w.active == nil {
		return 0
	}
	return w.end
}

// Active is that segment, or nil.
func (w *SegmentWriter) Active() *Segment { return w.active }

// Append writes a frame, the parts of its body after its head, and syncs it. It
// returns the segment, and where in it the frame begins and ends. An error that wraps
// [ErrGone] says that other files may be gone as well.
func (w *SegmentWriter) Append(head []byte, body iter.Seq[[]byte]) (s *Segment, offset, end int64, err error) {
	if err := w.begin(); err != nil {
		return nil, 0, 0, err
	}
	s, offset = w.active, w.end
	if end, err = w.write(head, body); err != nil {
		w.abandon(errors.Is(err, ErrGone))
		return nil, 0, 0, fmt.Errorf("segment %s: %w", s.Name, err)
	}
	w.end = end
	return s, offset, end, nil
}

// begin makes a segment where there is none.
func (w *SegmentWriter) begin() error {
	for w.active == nil {
		if err := MakeDir(w.FS, w.Dir); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		w.Last++
		s := NewSegment(w.FS, filepath.Join(w.Dir, fmt.Sprintf("%012d%s", w.Last, w.Format.Suffix)))
		f, err := w.FS.Create(s.Name)
		if errors.Is(err, fs.ErrExist) {
			continue // one that could not be removed
		}
		if err != nil {
			return fmt.Errorf("create segment: %w", err)
		}
		s.Salt = rand.Uint64()
		s.growing.Store(true)
		w.active, w.file, w.end, w.named = s, f, HeaderSize, false
	}
	return nil
}

func (w *SegmentWriter) write(head []byte, body iter.Seq[[]byte]) (end int64, err error) {
	end, w.buf = w.end, w.buf[:0]
	if end == HeaderSize {
		w.buf, end = AppendHeader(w.buf, w.Format.Magic, w.Format.Version, w.active.Salt), 0
	}
	w.buf = w.Format.AppendFrame(w.buf, w.active.Salt, w.end, head)
	flush := func() error {
		n, err := w.file.WriteAt(w.buf, end)
		end += int64(n)
		w.buf = w.buf[:0]
		return err
	}
	for part := range body {
		if w.buf = append(w.buf, part...); len(w.buf) >= writeChunk {
			if err := flush(); err != nil {
				return 0, err
			}
		}
	}
	if err := flush(); err != nil {
		return 0, err
	}
	if err := w.file.Sync(); err != nil {
		return 0, err
	}
	if !w.named {
		if err := w.FS.SyncDir(w.Dir); err != nil {
			return 0, err
		}
		w.named = true
	}
	return end, Gone(w.FS, w.active.Name, end)
}

// Roll ends the segment that frames are appended to; the next frame begins another.
func (w *SegmentWriter) Roll() {
	if w.active != nil {
		_ = w.file.Close() // all that counts was synced
		w.active.growing.Store(false)
		w.active, w.file = nil, nil
	}
}

// abandon ends the segment after a write that failed, and takes back what that left;
// if it cannot be, the next start finds and skips it. Where the file is gone, there
// may be another's.
func (w *SegmentWriter) abandon(gone bool) {
	name := w.active.Name
	w.Roll()
	switch {
	case gone:
	case w.end == HeaderSize:
		_ = w.FS.Remove(name)
	default:
		_ = w.FS.Truncate(name, w.end)
	}
}
