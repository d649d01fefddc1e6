// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"slices"
)

// Tags of prometheus.WriteRequest (remote-write 1.0) and the messages in it.
const (
	tag1Timeseries = 1<<3 | 2
	tag1Labels     = 1<<3 | 2
	tag1Samples    = 2<<3 | 2
	tag1Name       = 1<<3 | 2
	tag1LabelValue = 2<<3 | 2
	tag1Value      = 1<<3 | 1
	tag1Timestamp  = 2<<3 | 0
)

// request is what one remote-write request carries: the samples of a block from
// index from up to to, and where repair is set, instead of them what that makes of
// them.
type request struct {
	block    *block
	from, to int
	repair   *repair
}

// repair makes other samples of those in a block, at one time: mostly zeros in
// place of ones that were dropped. It takes the counters whose start lies in
// [from, before), see cursor.gap for why, or all series.
type repair struct {
	from, before, at int64
	all              bool
	as               shape
}

// shape is what a repair makes of a sample.
type shape int

const (
	asZero shape = iota
	asValue
	asStale
)

// covers says whether a counter that started at start (ms, 0: it is none) is among
// those.
func (p *repair) covers(start int64) bool {
	return p.all || start != 0 && start >= p.from && start < p.before
}

// cast returns the sample that is made of a value.
func (p *repair) cast(value uint64) (uint64, int64) {
	switch p.as {
	case asZero:
		value = 0
	case asStale:
		value = staleMarker
	}
	return value, p.at
}

// encoded is what a request turned out to carry.
type encoded struct{ samples, stale int }

// encoder1 makes remote-write 1.0 requests from blocks. Its buffers are kept from
// request to request.
type encoder1 struct {
	reader blockReader
	// The labels that were written last: their references, where they begin in
	// the request, and how far from there each of them ends. Neighbours in a block
	// mostly differ in few labels, and what is equal at either end is copied.
	refs  []uint32
	begin int
	ends  []int
}

// appendRequest appends the plain (not compressed) WriteRequest of req, byte for
// byte what prompb's Marshal gives. Labels come out sorted, for a block has them
// so. No metadata: 1.0 senders give it in requests of its own.
func (e *encoder1) appendRequest(dst []byte, req request) ([]byte, encoded, error) {
	var out encoded
	r := &e.reader
	e.refs, e.ends, e.begin = e.refs[:0], e.ends[:0], 0
	if err := r.reset(req.block.data); err != nil {
		return dst, out, err
	}
	for i := 0; i < req.to; i++ {
		if i < req.from {
			if ok, err := r.skip(); !ok || err != nil {
				return dst, out, err
			}
			continue
		}
		if ok, err := r.next(); !ok || err != nil {
			return dst, out, err
		}
		value, at := r.value, r.at
		if req.repair != nil {
			if !req.repair.covers(r.start) {
				continue
			}
			value, at = req.repair.cast(value)
		}
		dst = e.appendSeries(dst, value, at)
		out.samples++
		if value == staleMarker {
			out.stale++
		}
	}
	return dst, out, nil
}

// appendSeries appends the reader's series with one sample.
func (e *encoder1) appendSeries(dst []byte, value uint64, at int64) []byte {
	old, refs, symbols := e.refs, e.reader.refs, e.reader.symbols
	pairs := len(refs) / 2
	// [0, head) and [tail, pairs) are as in the series before.
	head, tail := 0, pairs
	if len(old) == len(refs) {
		for head < pairs && old[2*head] == refs[2*head] && old[2*head+1] == refs[2*head+1] {
			head++
		}
		for tail > head && old[2*tail-2] == refs[2*tail-2] && old[2*tail-1] == refs[2*tail-1] {
			tail--
		}
	} else {
		e.ends = append(e.ends[:0], make([]int, pairs)...)
	}
	headLen, tailBegin, tailEnd := 0, 0, 0
	if head > 0 {
		headLen = e.ends[head-1]
	}
	if tail < pairs {
		tailEnd = e.ends[pairs-1]
		if tail > 0 {
			tailBegin = e.ends[tail-1]
		}
	}
	end := headLen
	for i := head; i < tail; i++ {
		l := labelLen1(symbols[refs[2*i]], symbols[refs[2*i+1]])
		end += 1 + uvarintLen(uint64(l)) + l
		e.ends[i] = end
	}
	if shift := end - tailBegin; shift != 0 {
		for i := tail; i < pairs; i++ {
			e.ends[i] += shift
		}
	}

	nSample := 0
	if value != 0 {
		nSample += 9
	}
	if at != 0 {
		nSample += 1 + uvarintLen(uint64(at))
	}
	// A sample takes at most 20 bytes, so its length takes one.
	n := end + tailEnd - tailBegin + 2 + nSample
	dst = slices.Grow(dst, n+11)
	dst = binary.AppendUvarint(append(dst, tag1Timeseries), uint64(n))
	begin := len(dst)
	dst = append(dst, dst[e.begin:e.begin+headLen]...)
	for i := head; i < tail; i++ {
		dst = appendLabel1(dst, symbols[refs[2*i]], symbols[refs[2*i+1]])
	}
	dst = append(dst, dst[e.begin+tailBegin:e.begin+tailEnd]...)
	e.begin = begin
	e.refs = append(e.refs[:0], refs...)

	dst = append(dst, tag1Samples, byte(nSample))
	if value != 0 {
		dst = binary.LittleEndian.AppendUint64(append(dst, tag1Value), value)
	}
	if at != 0 {
		dst = binary.AppendUvarint(append(dst, tag1Timestamp), uint64(at))
	}
	return dst
}

// appendLabel1 appends a label. Symbols carry their length in front, just as a
// name and a value do here.
func appendLabel1(dst, name, value []byte) []byte {
	dst = binary.AppendUvarint(append(dst, tag1Labels), uint64(labelLen1(name, value)))
	if len(name) > 1 {
		dst = append(append(dst, tag1Name), name...)
	}
	if len(value) > 1 {
		dst = append(append(dst, tag1LabelValue), value...)
	}
	return dst
}

// labelLen1 is the length of a label message. Symbols are led by their length,
// so an empty one is one byte long, and its field is left out.
func labelLen1(name, value []byte) int {
	n := 0
	if len(name) > 1 {
		n += 1 + len(name)
	}
	if len(value) > 1 {
		n += 1 + len(value)
	}
	return n
}
