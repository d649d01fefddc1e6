// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

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

	// The series read last. refs are pairs of indexes into symbols, checked; the
	// pairs in [head, tail) are all that may differ from the series read before.
	refs       []uint32
	head, tail int
	value      uint64
	at, start  int64
	metadata   []byte // still encoded; readMetadata reads it

	// encodedRefs is what refs were read from, and ends where in it each pair ends.
	encodedRefs []byte
	ends        []int
	// times are those of the last sample of each length.
	times [maxSample + 1]encodedTimes
}

// maxSample is the length of a sample with a value and two times, as builders make it.
const maxSample = 31

// encodedTimes are the times of a sample and what they were read from.
type encodedTimes struct {
	encoded   []byte
	at, start int64
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
	r.symbols, r.refs, r.ends, r.encodedRefs = r.symbols[:0], r.refs[:0], r.ends[:0], nil
	clear(r.times[:])
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
	if refs, sample, metadata, ok := fields(msg); ok {
		r.metadata = metadata
		if !r.readRefs(refs) {
			return false, errSymbols
		}
		if !r.readSample(sample) {
			return false, errSample
		}
		return true, nil
	}
	return r.nextOdd(msg)
}

// fields splits a series as builders make it, which nearly all are: references, a
// sample and metadata, in this order, each with a length of one byte.
func fields(msg []byte) (refs, sample, metadata []byte, ok bool) {
	if len(msg) < 6 || msg[0] != tagLabelsRefs || msg[1] >= 0x80 {
		return nil, nil, nil, false
	}
	at := 2 + int(msg[1])
	if at+2 > len(msg) || msg[at] != tagSamples || msg[at+1] >= 0x80 {
		return nil, nil, nil, false
	}
	next := at + 2 + int(msg[at+1])
	if next+2 > len(msg) || msg[next] != tagMetadata || next+2+int(msg[next+1]) != len(msg) || msg[next+1] >= 0x80 {
		return nil, nil, nil, false
	}
	return msg[2:at], msg[at+2 : next], msg[next+2:], true
}

var (
	errSymbols = fmt.Errorf("%w: a series refers to symbols that do not exist", errBlock)
	errSample  = fmt.Errorf("%w: a sample is malformed", errBlock)
)

// nextOdd reads a series whatever it is made of.
func (r *blockReader) nextOdd(msg []byte) (bool, error) {
	r.value, r.at, r.start, r.metadata = 0, 0, 0, nil
	samples, lists := 0, 0
	for len(msg) > 0 {
		tag := msg[0]
		field, rest, ok := lengthPrefixed(msg[1:])
		if !ok {
			return false, fmt.Errorf("%w: a series is cut off", errBlock)
		}
		msg = rest
		switch tag {
		case tagLabelsRefs:
			if lists++; lists > 1 {
				// Repeated fields add up; no builder makes that, but a reader takes it.
				field = append(slices.Clone(r.encodedRefs), field...)
			}
			if !r.readRefs(field) {
				return false, errSymbols
			}
		case tagSamples:
			samples++
			if !r.readSample(field) {
				return false, errSample
			}
		case tagMetadata:
			r.metadata = field
		default:
			return false, fmt.Errorf("%w: unknown field in a series, tag %#x", errBlock, tag)
		}
	}
	switch {
	case lists == 0:
		r.readRefs(nil)
	case lists > 1:
		r.head, r.tail = 0, len(r.ends)
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

// readRefs reads references into refs: only from where they differ from those read
// before, up to where both go on alike.
func (r *blockReader) readRefs(b []byte) bool {
	old := r.encodedRefs
	r.encodedRefs = b
	differ := commonPrefix(b, old)
	if differ == len(b) && len(b) == len(old) {
		r.head, r.tail = 0, 0
		return true
	}
	pair, at := 0, 0
	for pair < len(r.ends) && r.ends[pair] <= differ {
		at = r.ends[pair]
		pair++
	}
	r.head = pair
	for at < len(b) {
		name, n := reference(b[at:])
		value, m := reference(b[at+n:])
		if n == 0 || m == 0 || name >= uint64(len(r.symbols)) || value >= uint64(len(r.symbols)) {
			return false
		}
		at += n + m
		if pair == len(r.ends) {
			r.ends, r.refs = append(r.ends, 0), append(r.refs, 0, 0)
		}
		ended := r.ends[pair]
		r.ends[pair], r.refs[2*pair], r.refs[2*pair+1] = at, uint32(name), uint32(value)
		pair++
		// Where a pair begins in both, the same bytes mean the same pairs.
		if ended == at && len(b) == len(old) && string(b[at:]) == string(old[at:]) {
			r.tail = pair
			return true
		}
	}
	r.tail = pair
	r.ends, r.refs = r.ends[:pair], r.refs[:2*pair]
	return true
}

// reference reads a number and returns its length, 0: there is none.
func reference(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	v, n := binary.Uvarint(b)
	return v, max(n, 0)
}

// commonPrefix is how many bytes a and b have in common at the beginning.
func commonPrefix(a, b []byte) int {
	n, i := min(len(a), len(b)), 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// readSample reads a sample; what is missing in it is 0.
func (r *blockReader) readSample(b []byte) bool {
	// A value, then times that are mostly those of another series.
	plain := len(b) > 9 && len(b) <= maxSample && b[0] == tagValue
	if plain {
		if t := &r.times[len(b)]; string(b[9:]) == string(t.encoded) {
			r.setValue(b[1:])
			r.at, r.start = t.at, t.start
			return true
		}
	}
	r.value, r.at, r.start = 0, 0, 0
	all, values := b, 0
	for len(b) > 0 {
		tag := b[0]
		b = b[1:]
		if tag == tagValue {
			if values++; len(b) < 8 {
				return false
			}
			r.setValue(b)
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
	if plain && values == 1 {
		r.times[len(all)] = encodedTimes{all[9:], r.at, r.start}
	}
	return true
}

func (r *blockReader) setValue(b []byte) {
	r.value = binary.LittleEndian.Uint64(b)
	if math.Float64frombits(r.value) == 0 {
		r.value = 0 // a -0 is left out when encoded, as any zero
	}
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
