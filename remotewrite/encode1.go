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
	// The series that was written last: where its labels begin in the request, and
	// how far from there each of them ends. Neighbours in a block mostly differ in few
	// labels, and what is equal at either end is copied.
	begin int
	ends  []int
	// The pairs in [head, tail) may differ from those of that series.
	head, tail int
	// places are where labels were written last, by the symbol of the value: many
	// come back, such as the names of metrics and the directions.
	places []labelPlace
	time   encodedTime
}

// labelPlace is where a label lies in a request: n bytes, 0: nowhere.
type labelPlace struct {
	name  uint32 // symbol
	at, n uint32
}

// appendRequest appends the plain (not compressed) WriteRequest of req, byte for
// byte what prompb's Marshal gives. Labels come out sorted, for a block has them
// so. No metadata: 1.0 senders give it in requests of its own.
func (e *encoder1) appendRequest(dst []byte, req request) ([]byte, encoded, error) {
	var out encoded
	r := &e.reader
	e.ends, e.begin, e.head, e.tail = e.ends[:0], 0, 0, 0
	if err := r.reset(req.block.data); err != nil {
		return dst, out, err
	}
	if cap(e.places) < len(r.symbols) {
		e.places = make([]labelPlace, len(r.symbols))
	}
	e.places = e.places[:len(r.symbols)]
	clear(e.places)
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
		e.head, e.tail = min(e.head, r.head), max(e.tail, r.tail)
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
	refs, symbols := e.reader.refs, e.reader.symbols
	pairs := len(refs) / 2
	head, tail := e.head, min(e.tail, pairs)
	if len(e.ends) != pairs {
		tail, head = pairs, min(head, len(e.ends))
		e.ends = slices.Grow(e.ends[:head], pairs)[:pairs]
		clear(e.ends[head:])
	}
	e.head, e.tail = pairs, 0
	if head >= tail {
		head, tail = pairs, pairs
	}
	headLen, tailBegin, tailEnd := 0, 0, 0
	if head > 0 {
		headLen = e.ends[head-1]
	}
	if tail < pairs {
		tailBegin, tailEnd = e.ends[tail-1], e.ends[pairs-1]
	}
	end := headLen
	for i := head; i < tail; i++ {
		if p := &e.places[refs[2*i+1]]; p.n > 0 && p.name == refs[2*i] {
			end += int(p.n)
		} else {
			l := labelLen1(symbols[refs[2*i]], symbols[refs[2*i+1]])
			end += 1 + uvarintLen(uint64(l)) + l
		}
		e.ends[i] = end
	}
	if shift := end - tailBegin; shift != 0 {
		for i := tail; i < pairs; i++ {
			e.ends[i] += shift
		}
	}

	e.time.set(tag1Timestamp, at)
	nSample := e.time.n
	if value != 0 {
		nSample += 9
	}
	// A sample takes at most 20 bytes, so its length takes one.
	n := end + tailEnd - tailBegin + 2 + nSample
	dst = slices.Grow(dst, n+11)
	dst = appendUvarint(append(dst, tag1Timeseries), uint64(n))
	before := e.begin
	e.begin = len(dst)
	dst = append(dst, dst[before:before+headLen]...)
	for i := head; i < tail; i++ {
		at, p := len(dst), &e.places[refs[2*i+1]]
		if p.n > 0 && p.name == refs[2*i] {
			dst = append(dst, dst[p.at:p.at+p.n]...)
		} else {
			dst = appendLabel1(dst, symbols[refs[2*i]], symbols[refs[2*i+1]])
		}
		*p = labelPlace{refs[2*i], uint32(at), uint32(len(dst) - at)}
	}
	dst = append(dst, dst[before+tailBegin:before+tailEnd]...)

	dst = append(dst, tag1Samples, byte(nSample))
	if value != 0 {
		dst = binary.LittleEndian.AppendUint64(append(dst, tag1Value), value)
	}
	return append(dst, e.time.field[:e.time.n]...)
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
