// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync/atomic"
)

// A segment is a file of ticks, described in docs/reference/files.md:
//
//	header:  magic[8] version u32 crc u32 salt u64
//	frame…:  magic u32, size of the index u32, crc u32, index, blocks
//
// Numbers of fixed size are little-endian; an index is made of varints. The
// crc of a frame covers its index, its place in the file and the segment's salt:
// a frame is only one where it was written, and bytes that came in with a label
// can never look like one.
const (
	segmentMagic   = "skyblog\x00"
	segmentVersion = 2 // 1 had no ends
	segmentHeader  = 24

	frameMagic  = 0x4b434954 // "TICK"
	frameHeader = 12
	// maxIndex bounds an index that is read. A million series have 500 blocks of
	// about 12 bytes each.
	maxIndex = 16 << 20
)

// Kinds of ticks in a frame.
const (
	kindSamples = 0
	kindBroken  = 1 // contradicted itself when it was appended: nothing to send
	kindEnding  = 2 // samples, and the ends among them
	kindThin    = 3 // only the ends are left (thin.go)
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// errNewer says that the files were written by a newer version.
	errNewer = errors.New("written by a newer version of skybridge")
	// errDamaged says that what was read is not what was written.
	errDamaged = errors.New("damaged")
)

// appendSegmentHeader makes the beginning of a segment.
func appendSegmentHeader(dst []byte, magic string, version uint32, salt uint64) []byte {
	begin := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[begin:], castagnoli))
	return binary.LittleEndian.AppendUint64(dst, salt)
}

// readSegmentHeader returns the salt of a file with that magic. The error wraps
// errNewer, errDamaged, or is the disk's.
func readSegmentHeader(r io.ReaderAt, magic string, version uint32) (salt uint64, err error) {
	var b [segmentHeader]byte
	if err := readFull(r, b[:], 0); err != nil {
		return 0, err
	}
	if string(b[:8]) != magic || binary.LittleEndian.Uint32(b[12:]) != crc32.Checksum(b[:12], castagnoli) {
		return 0, fmt.Errorf("header: %w", errDamaged)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > version {
		return 0, fmt.Errorf("format %d, this one knows up to %d: %w", v, version, errNewer)
	}
	return binary.LittleEndian.Uint64(b[16:]), nil
}

// readFull fills b from offset; a file that is too short is damaged.
func readFull(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("cut off: %w", errDamaged)
	}
	return err
}

// frameSum is the checksum of a frame.
func frameSum(salt uint64, offset int64, index []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], salt)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, index)
}

// appendFrame appends a tick up to its blocks, which follow it in the order of
// the groups. offset is where the frame begins in its segment.
func appendFrame(dst []byte, t *loggedTick, salt uint64, offset int64) []byte {
	begin := len(dst)
	dst = append(dst, make([]byte, frameHeader)...)
	kind := t.kind()
	dst = binary.AppendUvarint(dst, t.seq)
	dst = binary.AppendVarint(dst, t.at)
	dst = binary.AppendVarint(dst, t.after)
	for _, v := range [...]uint64{
		kind, uint64(t.before.samples), uint64(t.before.stale), uint64(t.samples), uint64(t.stale),
		uint64(len(t.zeros)), uint64(len(t.values)),
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	if kind == kindEnding || kind == kindThin {
		for _, v := range [...]uint64{uint64(len(t.ends)), uint64(t.ended), t.endedBytes} {
			dst = binary.AppendUvarint(dst, v)
		}
	}
	for _, group := range t.groups() {
		for i := range group {
			b := &group[i]
			dst = binary.AppendUvarint(dst, uint64(len(b.data)))
			dst = binary.AppendUvarint(dst, uint64(b.samples))
			dst = binary.AppendUvarint(dst, uint64(b.stale))
			dst = binary.AppendVarint(dst, b.maxStart)
			dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(b.data, castagnoli))
		}
	}
	head, index := dst[begin:begin+frameHeader], dst[begin+frameHeader:]
	binary.LittleEndian.PutUint32(head, frameMagic)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(index)))
	binary.LittleEndian.PutUint32(head[8:], frameSum(salt, offset, index))
	return dst
}

// kind is the kind of the tick's frame.
func (t *loggedTick) kind() uint64 {
	switch {
	case t.broken:
		return kindBroken
	case t.thin:
		return kindThin
	case t.ended > 0:
		return kindEnding
	}
	return kindSamples
}

// frameReader reads frames of one segment. Its buffer is kept.
type frameReader struct {
	from io.ReaderAt
	salt uint64
	size int64 // of the segment
	buf  []byte
}

// read returns the tick of the frame at offset, its blocks unread, and where the
// frame ends. The error wraps errDamaged where there is no frame, or is the
// disk's.
func (r *frameReader) read(offset int64) (t *loggedTick, end int64, err error) {
	const guess = 4 << 10 // most indexes fit
	n := min(guess, r.size-offset)
	if n < frameHeader {
		return nil, 0, fmt.Errorf("frame: cut off: %w", errDamaged)
	}
	r.buf = slices.Grow(r.buf[:0], guess)[:n]
	if err := readFull(r.from, r.buf, offset); err != nil {
		return nil, 0, fmt.Errorf("frame: %w", err)
	}
	size := int64(binary.LittleEndian.Uint32(r.buf[4:]))
	if binary.LittleEndian.Uint32(r.buf) != frameMagic || size > maxIndex || frameHeader+size > r.size-offset {
		return nil, 0, fmt.Errorf("frame: %w", errDamaged)
	}
	if have, want := int64(len(r.buf)), frameHeader+size; have < want {
		r.buf = slices.Grow(r.buf, int(want-have))[:want]
		if err := readFull(r.from, r.buf[have:], offset+have); err != nil {
			return nil, 0, fmt.Errorf("frame: %w", err)
		}
	}
	index := r.buf[frameHeader : frameHeader+size]
	if binary.LittleEndian.Uint32(r.buf[8:]) != frameSum(r.salt, offset, index) {
		return nil, 0, fmt.Errorf("frame: checksum: %w", errDamaged)
	}
	t, n, err = parseIndex(index, offset+frameHeader+size, r.size)
	if err != nil {
		return nil, 0, err
	}
	t.offset, t.bytes = offset, n-offset
	return t, n, nil
}

// parseIndex reads an index whose blocks begin at offset in a segment of that
// size.
func parseIndex(index []byte, offset, size int64) (*loggedTick, int64, error) {
	d := decoder{rest: index}
	t := &loggedTick{seq: d.uvarint(), at: d.varint(), after: d.varint()}
	kind := d.uvarint()
	t.before = tallied{samples: d.count(), stale: d.count()}
	t.samples, t.stale = int(d.count()), int(d.count())
	zeros, values, ends := d.count(), d.count(), int64(0)
	t.broken, t.thin = kind != kindSamples && kind != kindEnding && kind != kindThin, kind == kindThin
	if kind == kindEnding || kind == kindThin {
		ends, t.ended, t.endedBytes = d.count(), int(d.count()), d.uvarint()
	}
	const leastBlock = 8
	if d.bad || zeros+values+ends > int64(len(d.rest)/leastBlock) || t.after >= t.at || (t.thin && zeros+values > 0) {
		return nil, 0, fmt.Errorf("index: %w", errDamaged)
	}
	blocks := make([]block, zeros+values+ends)
	sum, ended := 0, 0
	for i := range blocks {
		b := &blocks[i]
		b.offset, b.size = offset, int(d.count())
		b.samples, b.stale, b.maxStart, b.sum = int(d.count()), int(d.count()), d.varint(), d.uint32()
		offset += int64(b.size)
		if int64(i) < zeros+values {
			sum += b.samples
		} else {
			ended += b.samples
		}
		if b.size > maxPlainBlock || b.samples > MaxBlockSamples {
			d.bad = true
		}
	}
	if d.bad || len(d.rest) > 0 || offset > size || (!t.broken && !t.thin && sum != t.samples) || ended != t.ended {
		return nil, 0, fmt.Errorf("index: %w", errDamaged)
	}
	t.zeros, t.values, t.ends = blocks[:zeros:zeros], blocks[zeros:zeros+values:zeros+values], blocks[zeros+values:]
	return t, offset, nil
}

// verify reads the blocks of a tick and compares their checksums.
func (r *frameReader) verify(t *loggedTick) error {
	for _, group := range t.groups() {
		for i := range group {
			b := &group[i]
			r.buf = slices.Grow(r.buf[:0], b.size)[:b.size]
			if err := b.readFrom(r.from, r.buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// next finds the first frame at or after offset; at the end it is nil.
func (r *frameReader) next(offset int64) (t *loggedTick, end int64, err error) {
	const window = 1 << 20
	var magic [4]byte
	binary.LittleEndian.PutUint32(magic[:], frameMagic)
	chunk := make([]byte, min(window, max(0, r.size-offset)))
	for offset+frameHeader <= r.size {
		b := chunk[:min(int64(len(chunk)), r.size-offset)]
		if err := readFull(r.from, b, offset); err != nil {
			return nil, 0, err
		}
		for i := 0; i+4 <= len(b); i++ {
			if b[i] != magic[0] || string(b[i:i+4]) != string(magic[:]) {
				continue
			}
			t, end, err := r.read(offset + int64(i))
			if err == nil || !errors.Is(err, errDamaged) {
				return t, end, err
			}
		}
		if offset+int64(len(b)) >= r.size {
			break
		}
		offset += int64(len(b)) - 3
	}
	return nil, 0, nil
}

// readFrom reads a block that lies on disk into b, which has its size.
func (b *block) readFrom(r io.ReaderAt, into []byte) error {
	if err := readFull(r, into, b.offset); err != nil {
		return fmt.Errorf("block: %w", err)
	}
	if crc32.Checksum(into, castagnoli) != b.sum {
		return fmt.Errorf("block: checksum: %w", errDamaged)
	}
	return nil
}

// decoder reads numbers; after the first that is none, bad is set and all are 0.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || d.bad {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 || d.bad {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads a number that must be small enough to calculate with.
func (d *decoder) count() int64 {
	v := d.uvarint()
	if v >= 1<<52 {
		d.bad = true
		return 0
	}
	return int64(v)
}

func (d *decoder) uint32() uint32 {
	if len(d.rest) < 4 || d.bad {
		d.bad = true
		return 0
	}
	v := binary.LittleEndian.Uint32(d.rest)
	d.rest = d.rest[4:]
	return v
}

// segment is a file of ticks that may be read. Its name, salt and first never
// change; the log's lock guards last, size and refs.
type segment struct {
	store *store
	name  string
	salt  uint64
	last  uint64 // number of its last tick
	begun int64  // time of its first tick, ms
	size  int64
	// thin: its ticks are.
	thin bool
	// refs is how many cursors hold a tick of it: so long it is not removed.
	refs int
	// open: ticks are still appended to it.
	open atomic.Bool

	lazyFile
}

// load returns a copy of t, which lies in the segment, with its blocks ready to
// be read. The caller has a reference to the segment.
func (s *segment) load(t *loggedTick) (*loggedTick, error) {
	f, err := s.file(s.store.fs, s.name)
	if err != nil {
		return nil, err
	}
	r := frameReader{from: f, salt: s.salt, size: t.offset + t.bytes}
	loaded, _, err := r.read(t.offset)
	if err != nil {
		return nil, err
	}
	if loaded.seq != t.seq || loaded.at != t.at {
		return nil, fmt.Errorf("frame: another tick: %w", errDamaged)
	}
	for _, group := range loaded.groups() {
		for i := range group {
			group[i].source = s
		}
	}
	loaded.segment = s
	return loaded, nil
}
