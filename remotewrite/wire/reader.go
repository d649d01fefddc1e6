// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/golang/snappy"
)

// MaxPlainBlock bounds what a block may unpack to. A builder closes a block at
// maxBlockBytes, which one last sample can overshoot.
const MaxPlainBlock = 32 << 20

// ErrBlock is wrapped by every complaint of a Reader: the block is damaged
// or was never one.
var ErrBlock = errors.New("not a block")

// Reader reads the samples of a block in order. It trusts nothing: a block
// may come from a disk. Its buffers are kept from block to block.
type Reader struct {
	plain []byte
	rest  []byte // time series not read yet
	// symbols are slices of plain, each led by its length, which is also how
	// remote-write 1.0 wants it.
	symbols [][]byte

	// The series read last. refs are pairs of indexes into symbols, checked.
	refs []uint32
	Sample
	metadata []byte // still encoded; readMetadata reads it
}

// Reset turns to a block and reads its symbols.
func (r *Reader) Reset(data []byte) error {
	n, err := snappy.DecodedLen(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBlock, err)
	}
	if n > MaxPlainBlock {
		return fmt.Errorf("%w: it unpacks to %d bytes", ErrBlock, n)
	}
	// snappy expands at most 64 bytes from 3; do not allocate on a liar's word.
	if n > 32*len(data) {
		return fmt.Errorf("%w: %d bytes cannot unpack to %d", ErrBlock, len(data), n)
	}
	if cap(r.plain) < n {
		r.plain = make([]byte, n)
	}
	r.plain, err = snappy.Decode(r.plain[:cap(r.plain)], data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBlock, err)
	}
	r.symbols, r.rest = r.symbols[:0], r.plain
	for len(r.rest) > 0 && r.rest[0] == tagSymbols {
		size, lead := binary.Uvarint(r.rest[1:])
		if lead <= 0 || size > uint64(len(r.rest)-1-lead) {
			return fmt.Errorf("%w: symbol %d is cut off", ErrBlock, len(r.symbols))
		}
		end := 1 + lead + int(size)
		if lead != uvarintLen(size) {
			return fmt.Errorf("%w: symbol %d has an overlong length", ErrBlock, len(r.symbols))
		}
		r.symbols = append(r.symbols, r.rest[1:end])
		r.rest = r.rest[end:]
	}
	if len(r.symbols) == 0 || len(r.symbols[0]) != 1 {
		return fmt.Errorf("%w: the first symbol is not the empty string", ErrBlock)
	}
	return nil
}

var (
	errCutOff  = fmt.Errorf("%w: a series is cut off", ErrBlock)
	errSymbols = fmt.Errorf("%w: a series refers to symbols that do not exist", ErrBlock)
	errSample  = fmt.Errorf("%w: a sample is malformed", ErrBlock)
)

// Next reads the next series into r; false at the end.
func (r *Reader) Next() (bool, error) {
	if len(r.rest) == 0 {
		return false, nil
	}
	if r.rest[0] != tagTimeseries {
		return false, fmt.Errorf("%w: unknown field, tag %#x", ErrBlock, r.rest[0])
	}
	msg, rest, ok := lengthPrefixed(r.rest[1:])
	if !ok {
		return false, errCutOff
	}
	r.rest = rest
	r.refs, r.Sample, r.metadata = r.refs[:0], Sample{}, nil
	samples := 0
	for len(msg) > 0 {
		tag := msg[0]
		field, rest, ok := lengthPrefixed(msg[1:])
		if !ok {
			return false, errCutOff
		}
		msg = rest
		switch tag {
		case tagLabelsRefs:
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
			return false, fmt.Errorf("%w: unknown field in a series, tag %#x", ErrBlock, tag)
		}
	}
	if samples != 1 {
		return false, fmt.Errorf("%w: a series has %d samples", ErrBlock, samples)
	}
	return true, nil
}

// readRefs adds references to refs.
func (r *Reader) readRefs(b []byte) bool {
	for len(b) > 0 {
		name, n := uvarint(b)
		value, m := uvarint(b[n:])
		if n == 0 || m == 0 || name >= uint64(len(r.symbols)) || value >= uint64(len(r.symbols)) {
			return false
		}
		r.refs = append(r.refs, uint32(name), uint32(value))
		b = b[n+m:]
	}
	return true
}

// uvarint reads a number and returns its length, 0: there is none.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	v, n := binary.Uvarint(b)
	return v, max(n, 0)
}

// readSample reads a sample; what is missing in it is 0.
func (r *Reader) readSample(b []byte) bool {
	for len(b) > 0 {
		tag := b[0]
		b = b[1:]
		if tag == tagValue {
			if len(b) < 8 {
				return false
			}
			r.Value = binary.LittleEndian.Uint64(b)
			if isZero(r.Value) {
				r.Value = 0 // a -0 is left out when encoded, as any zero
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
			r.At = int64(v)
		case tagStart:
			r.Start = int64(v)
		default:
			return false
		}
	}
	return true
}

// lengthPrefixed splits b after its length and as many bytes.
func lengthPrefixed(b []byte) (field, rest []byte, ok bool) {
	size, n := uvarint(b)
	if n == 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end], b[end:], true
}

// metadata is a series' metadata; help and unit are indexes into symbols.
type metadata struct {
	kind       MetricType
	help, unit uint32
}

// readMetadata reads the metadata of the series read last.
func (r *Reader) readMetadata() (metadata, error) {
	var m metadata
	for b := r.metadata; len(b) > 0; {
		tag := b[0]
		v, n := binary.Uvarint(b[1:])
		known := v < uint64(len(r.symbols))
		switch {
		case n <= 0:
			return m, fmt.Errorf("%w: metadata is cut off", ErrBlock)
		case tag == tagType && v < 64: // one byte, so that the message's length takes one
			m.kind = MetricType(v)
		case tag == tagHelp && known:
			m.help = uint32(v)
		case tag == tagUnit && known:
			m.unit = uint32(v)
		default:
			return m, fmt.Errorf("%w: metadata has tag %#x with value %d", ErrBlock, tag, v)
		}
		b = b[1+n:]
	}
	return m, nil
}

// Each calls f when it has read a series of a block, for each of them in turn. It ends
// with the first error, of f or wrapping [ErrBlock].
func (r *Reader) Each(data []byte, f func() error) error {
	if err := r.Reset(data); err != nil {
		return err
	}
	for {
		if ok, err := r.Next(); !ok || err != nil {
			return err
		}
		if err := f(); err != nil {
			return err
		}
	}
}

// Check reads a block to its end.
func (r *Reader) Check(data []byte) error {
	return r.Each(data, func() error {
		_, err := r.readMetadata()
		return err
	})
}

// AppendKey appends what tells the labels of the series read last from those of others,
// in other blocks too.
func (r *Reader) AppendKey(dst []byte) []byte {
	for _, ref := range r.refs {
		dst = append(dst, r.symbols[ref]...) // with its length, so nothing runs together
	}
	return dst
}

// NameRef tells the metric of the series read last from others of its block; 0: it has
// no name.
func (r *Reader) NameRef() uint32 {
	for i := 0; i < len(r.refs); i += 2 {
		if string(r.symbol(r.refs[i])) == NameLabel {
			return r.refs[i+1]
		}
	}
	return 0
}

// Metric returns the metric of the series read last.
func (r *Reader) Metric() (Metric, error) {
	m, err := r.readMetadata()
	return Metric{
		Name: string(r.symbol(r.NameRef())), Help: string(r.symbol(m.help)), Unit: string(r.symbol(m.unit)), Type: m.kind,
	}, err
}

// Labels returns the labels of the series read last, the metric's name among them.
func (r *Reader) Labels() []Label {
	labels := make([]Label, 0, len(r.refs)/2)
	for i := 0; i < len(r.refs); i += 2 {
		labels = append(labels, Label{string(r.symbol(r.refs[i])), string(r.symbol(r.refs[i+1]))})
	}
	return labels
}

// symbol returns a symbol without the length that leads it.
func (r *Reader) symbol(ref uint32) []byte {
	_, lead := binary.Uvarint(r.symbols[ref])
	return r.symbols[ref][lead:]
}
