// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/skydive-project/skybridge/disk"
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
	segmentHeader  = disk.HeaderSize

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
			dst = binary.LittleEndian.AppendUint32(dst, disk.Checksum(b.data))
		}
	}
	head, index := dst[begin:begin+frameHeader], dst[begin+frameHeader:]
	binary.LittleEndian.PutUint32(head, frameMagic)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(index)))
	binary.LittleEndian.PutUint32(head[8:], disk.Sum(salt, uint64(offset), index))
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
// frame ends. The error wraps disk.ErrDamaged where there is no frame, or is the
// disk's.
func (r *frameReader) read(offset int64) (t *loggedTick, end int64, err error) {
	const guess = 4 << 10 // most indexes fit
	n := min(guess, r.size-offset)
	if n < frameHeader {
		return nil, 0, fmt.Errorf("frame: cut off: %w", disk.ErrDamaged)
	}
	r.buf = slices.Grow(r.buf[:0], guess)[:n]
	if err := disk.ReadFull(r.from, r.buf, offset); err != nil {
		return nil, 0, fmt.Errorf("frame: %w", err)
	}
	size := int64(binary.LittleEndian.Uint32(r.buf[4:]))
	if binary.LittleEndian.Uint32(r.buf) != frameMagic || size > maxIndex || frameHeader+size > r.size-offset {
		return nil, 0, fmt.Errorf("frame: %w", disk.ErrDamaged)
	}
	if have, want := int64(len(r.buf)), frameHeader+size; have < want {
		r.buf = slices.Grow(r.buf, int(want-have))[:want]
		if err := disk.ReadFull(r.from, r.buf[have:], offset+have); err != nil {
			return nil, 0, fmt.Errorf("frame: %w", err)
		}
	}
	index := r.buf[frameHeader : frameHeader+size]
	if binary.LittleEndian.Uint32(r.buf[8:]) != disk.Sum(r.salt, uint64(offset), index) {
		return nil, 0, fmt.Errorf("frame: checksum: %w", disk.ErrDamaged)
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
	d := disk.Decoder{Rest: index}
	t := &loggedTick{seq: d.Uvarint(), at: d.Varint(), after: d.Varint()}
	kind := d.Uvarint()
	t.before = tallied{samples: d.Count(), stale: d.Count()}
	t.samples, t.stale = d.Int(), d.Int()
	zeros, values, ends := d.Count(), d.Count(), int64(0)
	t.broken, t.thin = kind != kindSamples && kind != kindEnding && kind != kindThin, kind == kindThin
	if kind == kindEnding || kind == kindThin {
		ends, t.ended, t.endedBytes = d.Count(), d.Int(), d.Uvarint()
	}
	const leastBlock = 8
	if d.Bad || zeros+values+ends > int64(len(d.Rest)/leastBlock) || t.after >= t.at || (t.thin && zeros+values > 0) {
		return nil, 0, fmt.Errorf("index: %w", disk.ErrDamaged)
	}
	blocks := make([]storedBlock, zeros+values+ends)
	sum, ended := 0, 0
	for i := range blocks {
		b := &blocks[i]
		b.offset, b.size = offset, d.Int()
		b.samples, b.stale, b.maxStart, b.sum = d.Int(), d.Int(), d.Varint(), d.Uint32()
		offset += int64(b.size)
		if int64(i) < zeros+values {
			sum += b.samples
		} else {
			ended += b.samples
		}
		if b.size > maxPlainBlock || b.samples > MaxBlockSamples {
			d.Bad = true
		}
	}
	if d.Bad || len(d.Rest) > 0 || offset > size || (!t.broken && !t.thin && sum != t.samples) || ended != t.ended {
		return nil, 0, fmt.Errorf("index: %w", disk.ErrDamaged)
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
		if err := disk.ReadFull(r.from, b, offset); err != nil {
			return nil, 0, err
		}
		for i := 0; i+4 <= len(b); i++ {
			if b[i] != magic[0] || string(b[i:i+4]) != string(magic[:]) {
				continue
			}
			t, end, err := r.read(offset + int64(i))
			if err == nil || !errors.Is(err, disk.ErrDamaged) {
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

// segment is a file of ticks that may be read. Its name, salt and first never
// change; the log's lock guards last, size, displaced and refs.
type segment struct {
	store *store
	name  string
	salt  uint64
	last  uint64 // number of its last tick
	begun int64  // time of its first tick, ms
	size  int64
	// thin: its ticks are.
	thin bool
	// displaced: its name may be another file's by now. What is open stays so until
	// the segment is removed.
	displaced bool
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
		return nil, fmt.Errorf("frame: another tick: %w", disk.ErrDamaged)
	}
	for _, group := range loaded.groups() {
		for i := range group {
			group[i].segment = s
		}
	}
	loaded.segment = s
	return loaded, nil
}
