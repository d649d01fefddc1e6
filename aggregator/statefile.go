// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
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
// Numbers of fixed size are little-endian. The crc of a frame covers its place in
// the file and the file's salt as well: a frame is only one where it was written,
// and what a former file left on the disk is none.
const (
	stateMagic    = "skystate"
	stateVersion  = 1
	fileHeader    = 24
	frameHeader   = 16
	maxFrame      = 64 << 20 // of a frame that is read; those written are far smaller
	snapshotFrame = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	// errNewer says that a file was written by a newer version.
	errNewer = errors.New("written by a newer version of skybridge")
	// errDamaged says that what was read is not what was written.
	errDamaged = errors.New("damaged")
)

// The two kinds of files, by the end of their names. The number before it says
// which belong together: a snapshot with the journal of its number and those
// after it.
const (
	journalSuffix  = ".journal"
	snapshotSuffix = ".snapshot"
	partSuffix     = ".part" // a snapshot that is not whole yet
)

func fileName(dir string, number uint64, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%08d", number)+suffix)
}

// parseFileName is the inverse of fileName; not ok is a file of somebody else.
func parseFileName(name string) (number uint64, suffix string, ok bool) {
	base, suffix, found := strings.Cut(name, ".")
	suffix = "." + suffix
	if !found || (suffix != journalSuffix && suffix != snapshotSuffix && suffix != partSuffix) {
		return 0, "", false
	}
	number, err := strconv.ParseUint(base, 10, 64)
	return number, suffix, err == nil && filepath.Base(fileName("", number, suffix)) == name
}

// stateFile is a file that is written.
type stateFile struct {
	disk.File
	name string
	salt uint64
	end  int64 // where the next frame goes
	// abandoned: frames are missing; nothing that happens to it matters any more.
	abandoned bool
}

// createFile makes a file with its header, which is not synced. One of that name is
// what is left of an attempt that failed.
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
	header := append([]byte(nil), stateMagic...)
	header = binary.LittleEndian.AppendUint32(header, stateVersion)
	header = binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, castagnoli))
	header = binary.LittleEndian.AppendUint64(header, s.salt)
	if _, err := f.WriteAt(header, 0); err != nil {
		return nil, errors.Join(err, f.Close(), system.Remove(name))
	}
	return s, nil
}

// seal fills in a frame's header: it will be written at the file's end, which
// moves.
func (s *stateFile) seal(frame []byte, feedNow time.Duration) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHeader))
	binary.LittleEndian.PutUint64(frame[8:], uint64(feedNow))
	binary.LittleEndian.PutUint32(frame[4:], frameSum(s.salt, s.end, frame[8:]))
	s.end += int64(len(frame))
}

func frameSum(salt uint64, offset int64, rest []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], salt)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, rest)
}

// readFile hands every frame of a file to apply, in order, and returns where the
// last good one ends, and the file's size. The error wraps errNewer, errDamaged
// (then frames up to the end were good), is that of apply, or the disk's.
func readFile(system disk.FS, name string, apply func(records []byte, feedNow time.Duration) error) (end, size int64, err error) {
	f, err := system.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if size, err = f.Size(); err != nil {
		return 0, 0, err
	}
	r := frameScanner{r: bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 1<<20), size: size}
	if err := r.header(); err != nil {
		return 0, size, fmt.Errorf("%s: %w", name, err)
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

func (r *frameScanner) header() error {
	var b [fileHeader]byte
	if err := r.full(b[:]); err != nil {
		return err
	}
	if string(b[:8]) != stateMagic || binary.LittleEndian.Uint32(b[12:]) != crc32.Checksum(b[:12], castagnoli) {
		return fmt.Errorf("header: %w", errDamaged)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > stateVersion {
		return fmt.Errorf("format %d, this one knows up to %d: %w", v, stateVersion, errNewer)
	}
	r.salt, r.end = binary.LittleEndian.Uint64(b[16:]), fileHeader
	return nil
}

// next reads the frame at end. The records are valid until the next one.
func (r *frameScanner) next() (records []byte, feedNow time.Duration, err error) {
	var b [frameHeader]byte
	if err := r.full(b[:]); err != nil {
		return nil, 0, err
	}
	size := int64(binary.LittleEndian.Uint32(b[:]))
	if size > maxFrame || size > r.size-r.end-frameHeader {
		return nil, 0, fmt.Errorf("frame: %w", errDamaged)
	}
	if int64(cap(r.buf)) < size+8 {
		r.buf = make([]byte, size+8)
	}
	r.buf = r.buf[:size+8]
	copy(r.buf, b[8:])
	if err := r.full(r.buf[8:]); err != nil {
		return nil, 0, err
	}
	if binary.LittleEndian.Uint32(b[4:]) != frameSum(r.salt, r.end, r.buf) {
		return nil, 0, fmt.Errorf("frame: checksum: %w", errDamaged)
	}
	return r.buf[8:], time.Duration(binary.LittleEndian.Uint64(b[8:])), nil
}

func (r *frameScanner) full(b []byte) error {
	_, err := io.ReadFull(r.r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut off: %w", errDamaged)
	}
	return err
}
