// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/golang/snappy"
)

// maxPlainBlock bounds what a block may unpack to. A builder closes a block at
// maxBlockBytes, which one last sample can overshoot.
const maxPlainBlock = 32 << 20

// errBlock is wrapped by every complaint of a blockReader: the block is damaged
// or was never one.
var errBlock = errors.New("not a block")

// blockReader reads the samples of a block in order. It trusts nothing: a block
// may come from a disk. Its buffers are kept from block to block.
type blockReader struct {
	plain []byte
	rest  []byte // time series not read yet
	// symbols are slices of plain, each led by its length as it lies there, which
	// is also how remote-write 1.0 wants it.
	symbols [][]byte

	// The series read last. refs are pairs of indexes into symbols, checked.
	refs      []uint32
	value     uint64
	at, start int64
	metadata  []byte // still encoded; readMetadata reads it
}

// reset turns to a block and reads its symbols.
func (r *blockReader) reset(data []byte) error {
	n, err := snappy.DecodedLen(data)
	if err != nil {
		return fmt.Errorf("%w: %w", errBlock, err)
	}
	if n > maxPlainBlock {
		return fmt.Errorf("%w: it unpacks to %d bytes", errBlock, n)
	}
	// snappy expands at most 64 bytes from 3; do not allocate on a liar's word.
	if n > 32*len(data) {
		return fmt.Errorf("%w: %d bytes cannot unpack to %d", errBlock, len(data), n)
	}
	if cap(r.plain) < n {
		r.plain = make([]byte, n)
	}
	r.plain, err = snappy.Decode(r.plain[:cap(r.plain)], data)
	if err != nil {
		return fmt.Errorf("%w: %w", errBlock, err)
	}
	r.symbols = r.symbols[:0]
	r.rest = r.plain
	for len(r.rest) > 0 && r.rest[0] == tagSymbols {
		size, lead := binary.Uvarint(r.rest[1:])
		if lead <= 0 || size > uint64(len(r.rest)-1-lead) {
			return fmt.Errorf("%w: symbol %d is cut off", errBlock, len(r.symbols))
		}
		end := 1 + lead + int(size)
		if lead != uvarintLen(size) {
			return fmt.Errorf("%w: symbol %d has an overlong length", errBlock, len(r.symbols))
		}
		r.symbols = append(r.symbols, r.rest[1:end])
		r.rest = r.rest[end:]
	}
	if len(r.symbols) == 0 || len(r.symbols[0]) != 1 {
		return fmt.Errorf("%w: the first symbol is not the empty string", errBlock)
	}
	return nil
}

// skip passes over a series without reading it; false at the end.
func (r *blockReader) skip() (bool, error) {
	_, ok, err := r.message()
	return ok, err
}

// next reads the next series into r; false at the end.
func (r *blockReader) next() (bool, error) {
	msg, ok, err := r.message()
	if !ok || err != nil {
		return false, err
	}
	r.refs, r.value, r.at, r.start, r.metadata = r.refs[:0], 0, 0, 0, nil
	samples := 0
	for len(msg) > 0 {
		tag := msg[0]
		field, rest, ok := lengthPrefixed(msg[1:])
		if !ok {
			return false, fmt.Errorf("%w: a series is cut off", errBlock)
		}
		msg = rest
		switch tag {
		case tagLabelsRefs:
			if !r.readRefs(field) {
				return false, fmt.Errorf("%w: a series refers to symbols that do not exist", errBlock)
			}
		case tagSamples:
			samples++
			if !r.readSample(field) {
				return false, fmt.Errorf("%w: a sample is malformed", errBlock)
			}
		case tagMetadata:
			r.metadata = field
		default:
			return false, fmt.Errorf("%w: unknown field in a series, tag %#x", errBlock, tag)
		}
	}
	if samples != 1 {
		return false, fmt.Errorf("%w: a series has %d samples", errBlock, samples)
	}
	return true, nil
}

// message returns the next time series, still encoded.
func (r *blockReader) message() (msg []byte, ok bool, err error) {
	if len(r.rest) == 0 {
		return nil, false, nil
	}
	if r.rest[0] != tagTimeseries {
		return nil, false, fmt.Errorf("%w: unknown field, tag %#x", errBlock, r.rest[0])
	}
	msg, r.rest, ok = lengthPrefixed(r.rest[1:])
	if !ok {
		return nil, false, fmt.Errorf("%w: a series is cut off", errBlock)
	}
	return msg, true, nil
}

func (r *blockReader) readRefs(b []byte) bool {
	for len(b) > 0 {
		ref, n := uint64(b[0]), 1
		if ref >= 0x80 {
			if ref, n = binary.Uvarint(b); n <= 0 {
				return false
			}
		}
		if ref >= uint64(len(r.symbols)) {
			return false
		}
		r.refs = append(r.refs, uint32(ref))
		b = b[n:]
	}
	return len(r.refs)%2 == 0
}

func (r *blockReader) readSample(b []byte) bool {
	for len(b) > 0 {
		tag := b[0]
		b = b[1:]
		if tag == tagValue {
			if len(b) < 8 {
				return false
			}
			r.value = binary.LittleEndian.Uint64(b)
			if math.Float64frombits(r.value) == 0 {
				r.value = 0 // a -0 is left out when encoded, as any zero
			}
			b = b[8:]
			continue
		}
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return false
		}
		b = b[n:]
		switch tag {
		case tagTimestamp:
			r.at = int64(v)
		case tagStart:
			r.start = int64(v)
		default:
			return false
		}
	}
	return true
}

// lengthPrefixed splits b after its length and as many bytes.
func lengthPrefixed(b []byte) (field, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 { // the common case
		if end := 1 + int(b[0]); end <= len(b) {
			return b[1:end], b[end:], true
		}
		return nil, nil, false
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end], b[end:], true
}
