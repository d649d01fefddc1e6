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

// maxRequest1 is how long a plain request may become. Builders close a block at an eighth
// of it; this is for blocks that nobody has built.
const maxRequest1 = 8 * maxExpanded

// writer1 writes the compressed body of a remote-write 1.0 request, series by series.
// Its buffers are kept from request to request.
//
// The plain request, some 350 bytes a sample, is never written: nearly all of it
// repeats what stands in the series before or in one a little earlier, and where that
// is follows from the references. Writing it, for a compressor to find that out again,
// took a quarter more.
type writer1 struct {
	out snappyWriter
	// symbols are what references refer to, each led by its length.
	symbols [][]byte

	// series are how many series there are; the last is before, and the one before it
	// last. They take turns.
	series             int
	three              [3]series1
	last, before, next *series1
	// sizes are the lengths of the labels of before, together labelsLen, and refs what
	// they refer to. Neighbours in a block mostly differ in few labels.
	sizes     []uint32
	labelsLen uint32
	refs      []uint32
	// The pairs of the next series in [head, tail) may differ from those.
	head, tail int
	newSizes   []uint32
	// places are where labels were written last, by the symbol of the value: many
	// come back, such as the names of metrics and the directions.
	places []labelPlace
	// heads are where labels of a name, with values of a length, were written last, and
	// values where numbers were: by their hashes, and found by chance. They save a tenth
	// of the bytes.
	heads  [64]labelHead
	values [256]valuePlace
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
	// where they are best copied from depends on what comes next. timeFrom, where not 0,
	// is where the time stands after the same value.
	unwritten int
	timeFrom  uint32
}

// labelPlace is where a label lies in a request: n bytes, 0: nowhere.
type labelPlace struct {
	name  uint32 // symbol
	at, n uint32
	// size, where not 0, is the length of the message that it begins. Moment is the
	// count of moments then: while it stays, the same time stands before it.
	size, moment uint32
}

// labelHead is where a label lies whose value has n bytes, its length before it
// included; 0: nowhere.
type labelHead struct{ name, n, at, value uint32 }

func (w *writer1) labelHead(name uint32, value []byte) *labelHead {
	return &w.heads[(name*31+uint32(len(value)))%uint32(len(w.heads))]
}

// valuePlace is where a sample's value lies, and its time after it.
type valuePlace struct {
	bits   uint64 // 0: nowhere
	at     int64
	offset uint32
}

func (w *writer1) valuePlace(bits uint64) *valuePlace {
	return &w.values[bits*0x9e3779b97f4a7c15>>56]
}

// begin begins a request in the memory of buf, with the symbols that there are.
func (w *writer1) begin(buf []byte, symbols [][]byte) {
	w.symbols = symbols
	w.out.begin(buf)
	w.three, w.series, w.moments = [3]series1{}, 0, 0
	w.last, w.before, w.next = &w.three[0], &w.three[1], &w.three[2]
	w.sizes, w.refs, w.labelsLen, w.head, w.tail = w.sizes[:0], w.refs[:0], 0, 0, 0
	w.places = slices.Grow(w.places[:0], len(symbols))[:len(symbols)]
	clear(w.places)
	clear(w.heads[:])
	clear(w.values[:])
}

// differ says in which pairs the next series may differ from those before: from head,
// and before tail.
func (w *writer1) differ(head, tail int) {
	w.head, w.tail = min(w.head, head), max(w.tail, tail)
}

// write writes a series with one sample. Refs are pairs of references: of a label's
// name, and of its value.
func (w *writer1) write(refs []uint32, value uint64, at int64) error {
	out := &w.out
	pairs := len(refs) / 2
	head, tail, known := w.head, min(w.tail, pairs), pairs
	if len(w.sizes) != pairs {
		head = min(head, len(w.sizes))
		tail, known = pairs, head
		for _, n := range w.sizes[head:] {
			w.labelsLen -= n
		}
		w.sizes = slices.Grow(w.sizes[:head], pairs)[:pairs]
		clear(w.sizes[head:])
		w.refs = slices.Grow(w.refs[:2*head], 2*pairs)[:2*pairs]
	}
	if head >= tail {
		head, tail = pairs, pairs
	}
	w.head, w.tail = pairs, 0

	// Lengths first, for they come first.
	headLen, tailLen := uint32(0), w.labelsLen
	for _, n := range w.sizes[:head] {
		headLen += n
	}
	tailLen -= headLen
	end := uint64(headLen)
	w.newSizes = w.newSizes[:0]
	for i := head; i < tail; i++ {
		n := w.labelSize(refs[2*i], refs[2*i+1])
		w.newSizes = append(w.newSizes, n)
		end += uint64(n)
		tailLen -= w.sizes[i]
	}
	if end+uint64(out.pos) > maxRequest1 {
		return fmt.Errorf("%w: its labels are longer than %d bytes", errBlock, maxRequest1)
	}
	tailBegin := w.labelsLen - tailLen
	w.labelsLen = uint32(end) + tailLen
	w.time.set(tag1Timestamp, at)
	// A sample takes at most 20 bytes, so its length takes one.
	nSample := uint32(w.time.n)
	if value != 0 {
		nSample += 9
	}
	s := w.next
	s.bits, s.at, s.size, s.unwritten, s.timeFrom = value, at, w.labelsLen+2+nSample, 0, 0
	if w.series > 1 && w.before.at != w.last.at {
		w.moments++
	}

	written := w.writeHeader(s, refs, head, tail)
	if headLen > 0 {
		out.repeat(w.before.labels, headLen)
	}
	begin, old := headLen, w.before.labels+headLen
	for i := head; i < tail; i++ {
		name, symbol := refs[2*i], refs[2*i+1]
		p, n := &w.places[symbol], w.newSizes[i-head]
		switch {
		case i < written:
		case p.n > 0 && p.name == name:
			out.repeat(p.at, n)
		case i < known && w.refs[2*i] == name:
			w.writeLabel(name, symbol, w.refs[2*i+1], old)
		default:
			w.writeLabel(name, symbol, 0, 0)
		}
		p.name, p.at, p.n, p.size = name, s.labels+begin, n, 0
		*w.labelHead(name, w.symbols[symbol]) = labelHead{name, uint32(len(w.symbols[symbol])), p.at, symbol}
		if i == 0 && w.series > 0 {
			p.size, p.moment = s.size, w.moments
		}
		begin += n
		old += w.sizes[i]
		w.sizes[i], w.refs[2*i], w.refs[2*i+1] = n, name, symbol
	}
	if tailLen > 0 {
		out.repeat(w.before.labels+tailBegin, tailLen)
	}
	w.writeSample(s, nSample)
	w.last, w.before, w.next = w.before, s, w.last
	w.series++
	return nil
}

// writeHeader ends the series before and begins s: tag and size of the message. Mostly
// the time of the series before, that and the metric's name stand together where the
// name was written last, and then all are written; it returns how many labels were.
func (w *writer1) writeHeader(s *series1, refs []uint32, head, tail int) (labels int) {
	out := &w.out
	n := 1 + uint32(uvarintLen(uint64(s.size)))
	if head == 0 && tail > 0 {
		p := &w.places[refs[1]]
		if p.size == s.size && p.name == refs[0] && p.moment == w.moments {
			w.writeValue(0)
			lead := timeLen1(w.before.at) + n
			s.labels = out.pos + lead
			out.repeat(p.at-lead, lead+p.n)
			return 1
		}
	}
	w.finish()
	if w.series > 0 && w.before.size == s.size && (head > 0 || out.goesOn(w.before.labels-n)) {
		out.repeat(w.before.labels-n, n)
		s.labels = out.pos
		return 0
	}
	// The tag mostly stands after the time that was just copied, and the last byte of
	// the size before the label.
	if tag := w.last.time + timeLen1(w.last.at); w.series > 1 && out.goesOn(tag) {
		out.repeat(tag, 1)
	} else {
		out.writeWord(tag1Timeseries, 1)
	}
	var size [binary.MaxVarintLen64]byte
	binary.PutUvarint(size[:], uint64(s.size))
	word, last := binary.LittleEndian.Uint64(size[:]), 7*(n-2)
	if head == 0 && tail > 0 && n > 2 {
		if p := &w.places[refs[1]]; p.size>>last == s.size>>last && p.name == refs[0] {
			out.writeWord(word, int(n)-2)
			s.labels = out.pos + 1
			out.repeat(p.at-1, 1+p.n)
			return 1
		}
	}
	out.writeWord(word, int(n)-1)
	s.labels = out.pos
	return 0
}

// end returns the body, and the memory for the next one.
func (w *writer1) end() (text, buf []byte) {
	w.finish()
	return w.out.end()
}

// labelSize is how long a label is in the request.
func (w *writer1) labelSize(name, value uint32) uint32 {
	if p := &w.places[value]; p.n > 0 && p.name == name {
		return p.n
	}
	n, v := w.symbols[name], w.symbols[value]
	return labelLead1(n, v) + uint32(labelLen1(n, v))
}

// writeLabel writes the label of two symbols, which was nowhere yet. Where aligned is
// not 0, the series before has a label of that name there, with the value old. What they
// have in common is copied, or what another label has of that name and length.
func (w *writer1) writeLabel(name, value, old, aligned uint32) {
	out := &w.out
	n, v, o := w.symbols[name], w.symbols[value], w.symbols[old]
	between := uint32(len(n) + 2) // the name's tag, the name, the value's tag
	if len(n) <= 1 || len(v) <= 1 {
		aligned = 0
	} else if h := w.labelHead(name, v); h.name == name && h.n == uint32(len(v)) && (aligned == 0 || len(o) != len(v)) {
		aligned, o = h.at, w.symbols[h.value]
	}
	switch {
	case aligned == 0 || len(o) <= 1:
		w.label = appendLabel1(w.label[:0], n, v)
		out.write(w.label)
	case len(v) == len(o):
		same := commonPrefix(v, o)
		out.repeat(aligned, labelLead1(n, v)+between+uint32(same))
		out.write(v[same:])
	default:
		w.label = binary.AppendUvarint(append(w.label[:0], tag1Labels), uint64(labelLen1(n, v)))
		out.write(w.label)
		out.repeat(aligned+labelLead1(n, o), between)
		out.write(v)
	}
}

// writeSample writes the sample of s, n bytes, but for the end of its value and its time.
func (w *writer1) writeSample(s *series1, n uint32) {
	out, before := &w.out, w.before
	alike := w.series > 0 && s.at == before.at && (s.bits == 0) == (before.bits == 0)
	s.sample = out.pos
	if s.bits == 0 {
		s.time = out.pos + 2
		if alike && out.goesOn(before.sample) {
			out.repeat(before.sample, 2)
		} else {
			out.writeWord(tag1Samples|uint64(n)<<8, 2)
		}
		return
	}
	s.time = out.pos + 3 + 8
	p := w.valuePlace(s.bits)
	known := p.bits == s.bits
	// The low bytes come first; those of round numbers are often 0.
	low := 0
	if alike && !known {
		low = bits.TrailingZeros64(s.bits^before.bits) / 8
	}
	switch {
	case alike && (low > 0 || out.goesOn(before.sample)):
		out.repeat(before.sample, 3+uint32(low))
	case known && p.at == s.at:
		out.repeat(p.offset-3, 3)
	default:
		out.writeWord(tag1Samples|uint64(n)<<8|tag1Value<<16, 3)
	}
	if known {
		out.repeat(p.offset, 8)
		if p.at == s.at {
			s.timeFrom = p.offset + 8
		}
	} else {
		s.unwritten = 8 - low
	}
	*p = valuePlace{s.bits, s.at, s.time - 8}
}

// writeValue writes what is unwritten of the value of the series before, but for its
// last bytes.
func (w *writer1) writeValue(but int) {
	if s := w.before; s.unwritten > but {
		w.out.writeWord(s.bits>>(64-8*s.unwritten), s.unwritten-but)
	}
}

// finish writes what is unwritten of the series before.
func (w *writer1) finish() {
	if w.series == 0 {
		return
	}
	out, s, last := &w.out, w.before, w.last
	switch {
	case s.timeFrom > 0:
		out.repeat(s.timeFrom, timeLen1(s.at))
	case w.series == 1 || last.at != s.at:
		w.writeValue(0)
		var t encodedTime
		t.set(tag1Timestamp, s.at)
		out.write(t.field[:t.n])
	default:
		same := 0
		if last.bits != 0 {
			same = min(bits.LeadingZeros64(s.bits^last.bits)/8, s.unwritten)
		}
		w.writeValue(same)
		out.repeat(last.time-uint32(same), uint32(same)+timeLen1(s.at))
	}
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
