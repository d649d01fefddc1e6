// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// A file of the state is described in docs/reference/files.md:
//
//	header: magic[8] version u32 crc u32 salt u64
//	frame…: size u32, crc u32, feed time i64, records
//
// The header is disk's; numbers of fixed size are little-endian. The crc of a frame
// is [disk.Sum].
const (
	stateMagic    = "skystate"
	stateVersion  = 2
	fileHeader    = disk.HeaderSize
	frameHeader   = 16
	maxFrame      = 64 << 20 // of a frame, its header included
	snapshotFrame = 256 << 10
)

// Suffixes of file names, after a number: a snapshot belongs to the journal of its number and
// those after it.
const (
	journalSuffix  = ".journal"
	snapshotSuffix = ".snapshot"
	partSuffix     = ".part" // an incomplete snapshot
)

func fileName(dir string, number uint64, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%08d", number)+suffix)
}

// parseFileName is the inverse of fileName; not ok: it is no file of the state.
func parseFileName(name string) (number uint64, suffix string, ok bool) {
	base, suffix, found := strings.Cut(name, ".")
	suffix = "." + suffix
	if !found || (suffix != journalSuffix && suffix != snapshotSuffix && suffix != partSuffix) {
		return 0, "", false
	}
	number, err := strconv.ParseUint(base, 10, 64)
	return number, suffix, err == nil && filepath.Base(fileName("", number, suffix)) == name
}

// stateFiles are the files of a directory, by number.
type stateFiles struct {
	journals, snapshots map[uint64]int64 // sizes in bytes
	parts               []uint64
	last                uint64 // the greatest number
}

// listFiles lists them; a directory that does not exist is made.
func listFiles(system disk.FS, dir string) (stateFiles, error) {
	files := stateFiles{journals: map[uint64]int64{}, snapshots: map[uint64]int64{}}
	made := disk.MakeDir(system, dir) // what else fails is in the way of a journal too
	entries, err := system.ReadDir(dir)
	if err != nil {
		return files, errors.Join(made, err)
	}
	for _, e := range entries {
		number, suffix, ok := parseFileName(e.Name)
		if !ok {
			continue
		}
		files.last = max(files.last, number)
		switch suffix {
		case journalSuffix:
			files.journals[number] = e.Size
		case snapshotSuffix:
			files.snapshots[number] = e.Size
		case partSuffix:
			files.parts = append(files.parts, number)
		}
	}
	return files, nil
}

// stateFile is a file that is being written.
type stateFile struct {
	disk.File
	name string
	salt uint64
	end  int64 // where the next frame goes
	// abandoned: frames are missing, and its errors no longer matter.
	abandoned bool
}

// createFile makes a file with its header, not synced. An existing file is of a failed
// attempt.
func createFile(system disk.FS, name string) (*stateFile, error) {
	f, err := system.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err := system.Remove(name); err != nil {
			return nil, err
		}
		f, err = system.Create(name)
	}
	if err != nil {
		return nil, err
	}
	s := &stateFile{File: f, name: name, salt: rand.Uint64(), end: fileHeader}
	if _, err := f.WriteAt(disk.AppendHeader(nil, stateMagic, stateVersion, s.salt), 0); err != nil {
		return nil, errors.Join(err, f.Close(), system.Remove(name))
	}
	return s, nil
}

// seal fills in a frame's header for the file's end, and advances the end.
func (s *stateFile) seal(frame []byte, feedNow time.Duration) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHeader))
	binary.LittleEndian.PutUint64(frame[8:], uint64(feedNow))
	binary.LittleEndian.PutUint32(frame[4:], disk.Sum(s.salt, uint64(s.end), frame[8:]))
	s.end += int64(len(frame))
}

// readFile passes every frame of a file to apply, in order, and returns where the last valid
// one ends, and the file's size. The error wraps disk.ErrNewer, disk.ErrDamaged (frames up to
// end are valid), is that of apply, or the disk's.
func readFile(system disk.FS, name string, apply func(records []byte, feedNow time.Duration) error) (end, size int64, err error) {
	f, err := system.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if size, err = f.Size(); err != nil {
		return 0, 0, err
	}
	salt, err := disk.ReadHeader(f, stateMagic, stateVersion)
	if err != nil {
		return 0, size, fmt.Errorf("%s: %w", name, err)
	}
	r := frameScanner{
		r:    bufio.NewReaderSize(io.NewSectionReader(f, fileHeader, size-fileHeader), 1<<20),
		size: size, salt: salt, end: fileHeader,
	}
	for r.end < size {
		records, feedNow, err := r.next()
		if err == nil {
			err = apply(records, feedNow)
		}
		if err != nil {
			return r.end, size, fmt.Errorf("%s at %d: %w", name, r.end, err)
		}
		r.end += frameHeader + int64(len(records))
	}
	return r.end, size, nil
}

// frameScanner reads the frames of a file in order.
type frameScanner struct {
	r    *bufio.Reader
	size int64
	salt uint64
	end  int64
	buf  []byte
}

// next reads the frame at end. The records are valid until the next one.
func (r *frameScanner) next() (records []byte, feedNow time.Duration, err error) {
	var b [frameHeader]byte
	if err := r.full(b[:]); err != nil {
		return nil, 0, err
	}
	size := int64(binary.LittleEndian.Uint32(b[:]))
	if size > maxFrame-frameHeader || size > r.size-r.end-frameHeader {
		return nil, 0, fmt.Errorf("frame: %w", disk.ErrDamaged)
	}
	if int64(cap(r.buf)) < size+8 {
		r.buf = make([]byte, size+8)
	}
	r.buf = r.buf[:size+8]
	copy(r.buf, b[8:])
	if err := r.full(r.buf[8:]); err != nil {
		return nil, 0, err
	}
	if binary.LittleEndian.Uint32(b[4:]) != disk.Sum(r.salt, uint64(r.end), r.buf) {
		return nil, 0, fmt.Errorf("frame: checksum: %w", disk.ErrDamaged)
	}
	return r.buf[8:], time.Duration(binary.LittleEndian.Uint64(b[8:])), nil
}

func (r *frameScanner) full(b []byte) error {
	_, err := io.ReadFull(r.r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut off: %w", disk.ErrDamaged)
	}
	return err
}
