// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// segmentFormat is that of the log's segments: a frame is a tick, its head an index
// of varints, its body the blocks (docs/reference/files.md).
var segmentFormat = disk.Format{
	Magic:      "skyblog\x00",
	Version:    2,          // 1 had no ends
	FrameMagic: 0x4b434954, // "TICK"
	// A million series have 500 blocks of about 12 bytes each.
	MaxHead: 16 << 20,
	Suffix:  ".seg",
}

const segmentHeader = disk.HeaderSize

// Kinds of ticks in a frame.
const (
	kindSamples   = 0
	kindBroken    = 1 // contradicted itself when it was appended: nothing to send
	kindEnding    = 2 // samples, and the ends among them
	kindCompacted = 3 // only the ends are left (compact.go)
)

// appendIndex appends what a tick's frame says of it; its blocks follow in the order
// of the groups.
func appendIndex(dst []byte, t *Tick) []byte {
	kind := t.kind()
	dst = binary.AppendUvarint(dst, t.Number)
	dst = binary.AppendVarint(dst, t.At)
	dst = binary.AppendVarint(dst, t.After)
	for _, v := range [...]uint64{
		kind, uint64(t.before.samples), uint64(t.before.stale), uint64(t.Samples), uint64(t.Stale),
		uint64(len(t.Zeros)), uint64(len(t.Values)),
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	if kind == kindEnding || kind == kindCompacted {
		for _, v := range [...]uint64{uint64(len(t.Ends)), uint64(t.Ended), t.EndedBytes} {
			dst = binary.AppendUvarint(dst, v)
		}
	}
	for _, group := range t.groups() {
		for i := range group {
			b := &group[i]
			dst = binary.AppendUvarint(dst, uint64(len(b.Data)))
			dst = binary.AppendUvarint(dst, uint64(b.Samples))
			dst = binary.AppendUvarint(dst, uint64(b.Stale))
			dst = binary.AppendVarint(dst, b.MaxStart)
			dst = binary.LittleEndian.AppendUint32(dst, disk.Checksum(b.Data))
		}
	}
	return dst
}

// bodies are the bytes of the tick's blocks.
func (t *Tick) bodies() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, group := range t.groups() {
			for i := range group {
				if !yield(group[i].Data) {
					return
				}
			}
		}
	}
}

// kind is the kind of the tick's frame.
func (t *Tick) kind() uint64 {
	switch {
	case t.Broken:
		return kindBroken
	case t.Compacted:
		return kindCompacted
	case t.Ended > 0:
		return kindEnding
	}
	return kindSamples
}

// parseIndex reads an index whose blocks begin at offset in a segment, of which that size
// is read.
func parseIndex(s *segment, index []byte, offset, size int64) (*Tick, int64, error) {
	d := disk.Decoder{Rest: index}
	t := &Tick{Number: d.Uvarint(), At: d.Varint(), After: d.Varint()}
	kind := d.Uvarint()
	t.before = totals{samples: d.Count(), stale: d.Count()}
	t.Samples, t.Stale = d.Int(), d.Int()
	zeros, values, ends := d.Count(), d.Count(), int64(0)
	t.Broken, t.Compacted = kind != kindSamples && kind != kindEnding && kind != kindCompacted, kind == kindCompacted
	if kind == kindEnding || kind == kindCompacted {
		ends, t.Ended, t.EndedBytes = d.Count(), d.Int(), d.Uvarint()
	}
	const leastBlock = 8
	if d.Bad || zeros+values+ends > int64(len(d.Rest)/leastBlock) || t.After >= t.At || (t.Compacted && zeros+values > 0) {
		return nil, 0, fmt.Errorf("index: %w", disk.ErrDamaged)
	}
	blocks := make([]Block, zeros+values+ends)
	sum, ended := 0, 0
	for i := range blocks {
		b := &blocks[i]
		b.segment, b.offset, b.size = s, offset, d.Int()
		b.Samples, b.Stale, b.MaxStart, b.sum = d.Int(), d.Int(), d.Varint(), d.Uint32()
		offset += int64(b.size)
		if int64(i) < zeros+values {
			sum += b.Samples
		} else {
			ended += b.Samples
		}
		if b.size > wire.MaxPlainBlock || b.Samples > wire.MaxBlockSamples {
			d.Bad = true
		}
	}
	if d.Bad || len(d.Rest) > 0 || offset > size || (!t.Broken && !t.Compacted && sum != t.Samples) || ended != t.Ended {
		return nil, 0, fmt.Errorf("index: %w", disk.ErrDamaged)
	}
	t.Zeros, t.Values, t.Ends = blocks[:zeros:zeros], blocks[zeros:zeros+values:zeros+values], blocks[zeros+values:]
	return t, offset, nil
}

// verify reads the blocks of a tick and compares their checksums.
func (t *Tick) verify() (err error) {
	var buf []byte
	for _, group := range t.groups() {
		for i := range group {
			if _, buf, err = group[i].Load(buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// load returns a copy of the tick, which is in a segment, with its blocks ready to be
// read. The caller has a reference to the segment.
func (t *Tick) load() (*Tick, error) {
	s, size := t.segment, t.offset+t.bytes
	r := disk.FrameReader{From: s, Format: &segmentFormat, Salt: s.Salt, Size: size}
	index, body, err := r.Read(t.offset)
	if err != nil {
		return nil, err
	}
	loaded, _, err := parseIndex(s, index, body, size)
	if err != nil {
		return nil, err
	}
	if loaded.Number != t.Number || loaded.At != t.At {
		return nil, fmt.Errorf("frame: another tick: %w", disk.ErrDamaged)
	}
	loaded.segment, loaded.offset, loaded.bytes = s, t.offset, t.bytes
	return loaded, nil
}
