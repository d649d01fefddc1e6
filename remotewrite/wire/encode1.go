// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"slices"
)

// Tags of prometheus.WriteRequest (remote-write 1.0) and the messages in it.
const (
	tag1Timeseries = 1<<3 | 2
	tag1Label      = 1<<3 | 2
	tag1Name       = 1<<3 | 2
	tag1Value      = 2<<3 | 2
)

// maxRequest1 is how long a plain request may become. Builders close a block at an eighth
// of it; this is for blocks that no builder made.
const maxRequest1 = 8 * maxExpanded

// encoder1 encodes the series of a reader for remote-write 1.0.
type encoder1 struct {
	request []byte
	// labels is labels of the block, encoded. Known are where in it the label is that a
	// value was last used in, by the value's symbol: copying labels in place of encoding
	// them saves a fifth of a request.
	labels []byte
	known  []encodedLabel1
	series []span // labels of the series at hand
	sample []byte // of it
}

type encodedLabel1 struct {
	name uint32 // symbol
	at   span   // empty: none yet
}

// begin begins a request.
func (e *encoder1) begin(symbols int) {
	e.request, e.labels = e.request[:0], e.labels[:0]
	e.known = slices.Grow(e.known[:0], symbols)[:symbols]
	clear(e.known)
}

// add adds the reader's series. Labels come out sorted, for a block has
// them so. No metadata: 1.0 senders give it in requests of its own.
func (e *encoder1) add(r *Reader) error {
	size := 0
	e.series = e.series[:0]
	for i := 0; i < len(r.refs); i += 2 {
		at := e.label(r, r.refs[i], r.refs[i+1])
		e.series = append(e.series, at)
		size += int(at.to - at.from)
	}
	// A sample is as in 2.0, but for the start.
	e.sample = appendSample(e.sample[:0], Sample{Value: r.Value, At: r.At})
	if size += len(e.sample); len(e.request)+size > maxRequest1 {
		return fmt.Errorf("%w: its labels are longer than %d bytes", ErrBlock, maxRequest1)
	}
	e.request = appendUvarint(append(e.request, tag1Timeseries), uint64(size))
	for _, at := range e.series {
		e.request = append(e.request, e.labels[at.from:at.to]...)
	}
	e.request = append(e.request, e.sample...)
	return nil
}

// label returns where a label is encoded.
func (e *encoder1) label(r *Reader, name, value uint32) span {
	known := &e.known[value]
	if known.name != name || known.at.to == 0 {
		from := len(e.labels)
		e.labels = appendLabel1(e.labels, r.symbols[name], r.symbols[value])
		*known = encodedLabel1{name, span{uint32(from), uint32(len(e.labels))}}
	}
	return known.at
}

// appendLabel1 appends a label. Symbols carry their length in front, just as a
// name and a value do here; an empty one is left out.
func appendLabel1(dst, name, value []byte) []byte {
	size := 0
	for _, s := range [...][]byte{name, value} {
		if len(s) > 1 {
			size += 1 + len(s)
		}
	}
	dst = appendUvarint(append(dst, tag1Label), uint64(size))
	if len(name) > 1 {
		dst = append(append(dst, tag1Name), name...)
	}
	if len(value) > 1 {
		dst = append(append(dst, tag1Value), value...)
	}
	return dst
}
