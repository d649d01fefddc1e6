// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"fmt"
	"math/bits"
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

// maxRequest1 is how long a plain request may become. Builders close a block at an eighth
// of it; this is for blocks that nobody has built.
const maxRequest1 = 8 * maxExpanded

// encoder1 makes the compressed bodies of remote-write 1.0 requests from blocks. Its
// buffers are kept from request to request.
//
// The plain request, some 350 bytes a sample, is never written: nearly all of it
// repeats what stands in the series before or in one a little earlier, and where that
// is follows from the block's references. Writing it, for s2 to find that out again,
// took twice as long.
type encoder1 struct {
	reader blockReader
	out    snappyWriter

	// series are how many series there are; the last is before, and the one before it
	// last. They take turns: copying one costs a tenth of everything here.
	series             int
	three              [3]series1
	last, before, next *series1
	// sizes are the lengths of the labels of before, together labelsLen, and refs what
	// they refer to. Neighbours in a block mostly differ in few labels.
	sizes     []uint32
	labelsLen uint32
	refs      []uint32
	// The pairs of the reader in [head, tail) may differ from those.
	head, tail int
	newSizes   []uint32
	// places are where labels were written last, by the symbol of the value: many
	// come back, such as the names of metrics and the directions.
	places []labelPlace
	// moments is how often a series had another time than the one before it.
	moments uint32
	time    encodedTime
	label   []byte
}

// series1 is where a series lies in a plain request.
type series1 struct {
	bits   uint64 // the value, 0: it has none
	at     int64
	size   uint32 // length of the message, which stands before labels
	labels uint32
	sample uint32 // its tag
	time   uint32 // its tag, after the eight bytes of the value
	// unwritten is how many bytes of the value, and its time, are still to be written:
	// where they are best copied from depends on what comes next.
	unwritten int
}

// labelPlace is where a label lies in a request: n bytes, 0: nowhere.
type labelPlace struct {
	name  uint32 // symbol
	at, n uint32
	// size, where not 0, is the length of the message that it begins. Moment is the
	// count of moments then: while it stays, the same time stands before it.
	size, moment uint32
}

// fill makes the body of req: the compressed form of a WriteRequest, byte for byte as
// prompb's Marshal gives it. Labels come out sorted, for a block has them so. No
// metadata: 1.0 senders give it in requests of its own.
func (e *encoder1) fill(b *body, req request) (encoded, error) {
	var out encoded
	r := &e.reader
	if err := r.reset(req.block.data); err != nil {
		return out, err
	}
	e.begin(b.buffer)
	for range req.from {
		if ok, err := r.skip(); !ok || err != nil {
			return out, cutOff(req, err)
		}
	}
	for range req.to - req.from {
		ok, err := r.next()
		if err != nil {
			return out, err
		}
		if !ok {
			break
		}
		e.head, e.tail = min(e.head, r.head), max(e.tail, r.tail)
		value, at := r.value, r.at
		if req.repair != nil {
			if !req.repair.covers(r.start) {
				continue
			}
			value, at = req.repair.cast(value)
		}
		if err := e.writeSeries(value, at); err != nil {
			return out, err
		}
		out.samples++
		if value == staleMarker {
			out.stale++
		}
	}
	e.finish()
	b.data, b.buffer = e.out.end()
	return out, nil
}

// begin begins a request in the memory of buf.
func (e *encoder1) begin(buf []byte) {
	e.out.begin(buf)
	e.three, e.series, e.moments = [3]series1{}, 0, 0
	e.last, e.before, e.next = &e.three[0], &e.three[1], &e.three[2]
	e.sizes, e.refs, e.labelsLen, e.head, e.tail = e.sizes[:0], e.refs[:0], 0, 0, 0
	if n := len(e.reader.symbols); cap(e.places) < n {
		e.places = make([]labelPlace, n)
	}
	e.places = e.places[:len(e.reader.symbols)]
	clear(e.places)
}

// writeSeries writes the reader's series with one sample.
func (e *encoder1) writeSeries(value uint64, at int64) error {
	w, refs := &e.out, e.reader.refs
	pairs := len(refs) / 2
	head, tail, known := e.head, min(e.tail, pairs), pairs
	if len(e.sizes) != pairs {
		head = min(head, len(e.sizes))
		tail, known = pairs, head
		for _, n := range e.sizes[head:] {
			e.labelsLen -= n
		}
		e.sizes = slices.Grow(e.sizes[:head], pairs)[:pairs]
		clear(e.sizes[head:])
		e.refs = slices.Grow(e.refs[:2*head], 2*pairs)[:2*pairs]
	}
	if head >= tail {
		head, tail = pairs, pairs
	}
	e.head, e.tail = pairs, 0

	// Lengths first, for they come first.
	headLen, tailLen := uint32(0), e.labelsLen
	for _, n := range e.sizes[:head] {
		headLen += n
	}
	tailLen -= headLen
	end := uint64(headLen)
	e.newSizes = e.newSizes[:0]
	for i := head; i < tail; i++ {
		n := e.labelSize(refs[2*i], refs[2*i+1])
		e.newSizes = append(e.newSizes, n)
		end += uint64(n)
		tailLen -= e.sizes[i]
	}
	if end+uint64(w.pos) > maxRequest1 {
		return fmt.Errorf("%w: its labels are longer than %d bytes", errBlock, maxRequest1)
	}
	tailBegin := e.labelsLen - tailLen
	e.labelsLen = uint32(end) + tailLen
	e.time.set(tag1Timestamp, at)
	// A sample takes at most 20 bytes, so its length takes one.
	nSample := uint32(e.time.n)
	if value != 0 {
		nSample += 9
	}
	s := e.next
	s.bits, s.at, s.size, s.unwritten = value, at, e.labelsLen+2+nSample, 0
	if e.series > 1 && e.before.at != e.last.at {
		e.moments++
	}

	written := e.writeHeader(s, head, tail)
	if headLen > 0 {
		w.repeat(e.before.labels, headLen)
	}
	begin, old := headLen, e.before.labels+headLen
	for i := head; i < tail; i++ {
		name, symbol := refs[2*i], refs[2*i+1]
		p, n := &e.places[symbol], e.newSizes[i-head]
		switch {
		case i < written:
		case p.n > 0 && p.name == name:
			w.repeat(p.at, n)
		case i < known && e.refs[2*i] == name:
			e.writeLabel(name, symbol, e.refs[2*i+1], old)
		default:
			e.writeLabel(name, symbol, 0, 0)
		}
		p.name, p.at, p.n, p.size = name, s.labels+begin, n, 0
		if i == 0 && e.series > 0 {
			p.size, p.moment = s.size, e.moments
		}
		begin += n
		old += e.sizes[i]
		e.sizes[i], e.refs[2*i], e.refs[2*i+1] = n, name, symbol
	}
	if tailLen > 0 {
		w.repeat(e.before.labels+tailBegin, tailLen)
	}
	e.writeSample(s, nSample)
	e.last, e.before, e.next = e.before, s, e.last
	e.series++
	return nil
}

// writeHeader ends the series before and begins s: tag and size of the message. Mostly
// the time of the series before, that and the metric's name stand together where the
// name was written last, and then all are written; it returns how many labels were.
func (e *encoder1) writeHeader(s *series1, head, tail int) (labels int) {
	w := &e.out
	n := 1 + uint32(uvarintLen(uint64(s.size)))
	if head == 0 && tail > 0 {
		refs := e.reader.refs
		p := &e.places[refs[1]]
		if p.size == s.size && p.name == refs[0] && p.moment == e.moments {
			e.writeValue(0)
			lead := timeLen1(e.before.at) + n
			s.labels = w.pos + lead
			w.repeat(p.at-lead, lead+p.n)
			return 1
		}
	}
	e.finish()
	if e.series > 0 && e.before.size == s.size && (head > 0 || w.goesOn(e.before.labels-n)) {
		w.repeat(e.before.labels-n, n)
	} else {
		var header [8]byte
		header[0] = tag1Timeseries
		binary.PutUvarint(header[1:], uint64(s.size))
		w.writeWord(binary.LittleEndian.Uint64(header[:]), int(n))
	}
	s.labels = w.pos
	return 0
}

// labelSize is how long a label is in the request.
func (e *encoder1) labelSize(name, value uint32) uint32 {
	if p := &e.places[value]; p.n > 0 && p.name == name {
		return p.n
	}
	n, v := e.reader.symbols[name], e.reader.symbols[value]
	return labelLead1(n, v) + uint32(labelLen1(n, v))
}

// writeLabel writes the label of two symbols, from where it was written last if it was.
// Else, where aligned is not 0, the series before has a label of that name there, with
// the value old, and what they have in common is copied from it.
func (e *encoder1) writeLabel(name, value, old, aligned uint32) {
	w := &e.out
	n, v, o := e.reader.symbols[name], e.reader.symbols[value], e.reader.symbols[old]
	lead, oldLead := labelLead1(n, v), labelLead1(n, o)
	between := uint32(len(n) + 2) // the name's tag, the name, the value's tag
	switch {
	case aligned == 0 || len(n) <= 1 || len(v) <= 1 || len(o) <= 1:
		e.label = appendLabel1(e.label[:0], n, v)
		w.write(e.label)
	case len(v) == len(o):
		same := commonPrefix(v, o)
		w.repeat(aligned, lead+between+uint32(same))
		w.write(v[same:])
	default:
		e.label = binary.AppendUvarint(append(e.label[:0], tag1Labels), uint64(labelLen1(n, v)))
		w.write(e.label)
		w.repeat(aligned+oldLead, between)
		w.write(v)
	}
}

// writeSample writes the sample of s, n bytes, but for the end of its value and its time.
func (e *encoder1) writeSample(s *series1, n uint32) {
	w, before := &e.out, e.before
	head := uint32(2)
	if s.bits != 0 {
		head = 3
	}
	s.sample, s.time = w.pos, w.pos+head
	if e.series > 0 && s.at == before.at && (s.bits == 0) == (before.bits == 0) && w.goesOn(before.sample) {
		w.repeat(before.sample, head)
	} else {
		w.writeWord(tag1Samples|uint64(n)<<8|tag1Value<<16, int(head))
	}
	if s.bits == 0 {
		return
	}
	s.time += 8
	s.unwritten = 8
	// The low bytes come first; those of round numbers are often 0.
	if before.bits != 0 && w.goesOn(before.time-8) {
		same := bits.TrailingZeros64(s.bits^before.bits) / 8
		w.repeat(before.time-8, uint32(same))
		s.unwritten -= same
	}
}

// writeValue writes what is unwritten of the value of the series before, but for its
// last bytes.
func (e *encoder1) writeValue(but int) {
	if s := e.before; s.unwritten > but {
		e.out.writeWord(s.bits>>(64-8*s.unwritten), s.unwritten-but)
	}
}

// finish writes what is unwritten of the series before.
func (e *encoder1) finish() {
	if e.series == 0 {
		return
	}
	w, s, last := &e.out, e.before, e.last
	if e.series == 1 || last.at != s.at {
		e.writeValue(0)
		var t encodedTime
		t.set(tag1Timestamp, s.at)
		w.write(t.field[:t.n])
		return
	}
	same := 0
	if last.bits != 0 {
		same = min(bits.LeadingZeros64(s.bits^last.bits)/8, s.unwritten)
	}
	e.writeValue(same)
	w.repeat(last.time-uint32(same), uint32(same)+timeLen1(s.at))
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

// labelLead1 is the length of what stands before a label message: its tag and length.
func labelLead1(name, value []byte) uint32 {
	return uint32(1 + uvarintLen(uint64(labelLen1(name, value))))
}

// timeLen1 is the length of a sample's time.
func timeLen1(at int64) uint32 {
	if at == 0 {
		return 0
	}
	return uint32(1 + uvarintLen(uint64(at)))
}
