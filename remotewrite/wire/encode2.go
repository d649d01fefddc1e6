// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import "slices"

// encoder2 encodes the series of a reader for remote-write 2.0. Its buffers are kept
// from request to request. A block is a whole 2.0 request, so it is for what is less than
// a block, or changed.
type encoder2 struct {
	// refs is the request's reference for each of the block's symbols, 0 for one
	// that it does not have yet. Both begin with the empty string.
	refs    []uint32
	next    uint32
	symbols []byte // field 4 of the request, encoded
	series  []byte // field 5 of the request, encoded
	labels  []byte // references of one series, encoded
	rest    []byte // sample and metadata of one series, encoded
}

// begin begins a request.
func (e *encoder2) begin(symbols int) {
	e.refs = slices.Grow(e.refs[:0], symbols)[:symbols]
	clear(e.refs)
	e.next = 1
	e.symbols, e.series = append(e.symbols[:0], tagSymbols, 0), e.series[:0]
}

// end returns the request.
func (e *encoder2) end() []byte {
	e.symbols = append(e.symbols, e.series...)
	return e.symbols
}

// add adds the reader's series. Symbols are numbered as they first appear.
func (e *encoder2) add(r *Reader) error {
	m, err := r.readMetadata()
	if err != nil {
		return err
	}
	e.labels = e.labels[:0]
	for _, ref := range r.refs {
		e.labels = appendUvarint(e.labels, uint64(e.ref(r, ref)))
	}
	e.rest = appendSample(e.rest[:0], r.Sample)
	e.rest = appendMetadata(e.rest, m.kind, e.ref(r, m.help), e.ref(r, m.unit))
	n := len(e.rest)
	if len(e.labels) > 0 { // an empty list is left out
		n += 1 + uvarintLen(uint64(len(e.labels))) + len(e.labels)
	}
	b := appendUvarint(append(e.series, tagTimeseries), uint64(n))
	if len(e.labels) > 0 {
		b = append(appendUvarint(append(b, tagLabelsRefs), uint64(len(e.labels))), e.labels...)
	}
	b = append(b, e.rest...)
	e.series = b
	return nil
}

// ref returns the request's reference for a symbol of the block.
func (e *encoder2) ref(r *Reader, old uint32) uint32 {
	if old == 0 {
		return 0
	}
	if e.refs[old] == 0 {
		e.refs[old] = e.next
		e.next++
		e.symbols = append(append(e.symbols, tagSymbols), r.symbols[old]...)
	}
	return e.refs[old]
}
