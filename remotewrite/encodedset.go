// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import "encoding/binary"

// encodedSet is the label set that a block builder is at, as references into its
// symbols. Neighbours share most labels (the two directions of a connection all but
// one, its metrics all), so only the references that differ are written anew, in
// place where they are as long as the old ones.
type encodedSet struct {
	version  uint64 // of the set, 0: none
	arranged uint64 // its arrangement
	labels   []encodedLabel
	nameAt   int

	refs  []byte // all references but those of the metric's name
	split int    // where in refs those belong
	width int    // bytes of the labels, written out
}

// encodedLabel is a label, its references (0: none yet) and where the value's lies
// in refs. One without a value is not there.
type encodedLabel struct {
	Label
	name, value uint32
	at          int
}

// reset forgets the set, and every string that came with it.
func (e *encodedSet) reset() {
	clear(e.labels[:cap(e.labels)])
	*e = encodedSet{labels: e.labels[:0], refs: e.refs[:0]}
}

// turn goes over to another set.
func (e *encodedSet) turn(set *labelSet, symbols *symbolTable) {
	e.version = set.version
	moved := e.nameAt != set.nameAt
	if set.arranged == 0 || set.arranged != e.arranged {
		moved = e.rename(set) || moved
	}
	for i := range e.labels {
		l, v := &e.labels[i], set.labels[i].Value
		if l.Value == v {
			continue
		}
		if l.name == 0 {
			l.name = symbols.ref(l.Name)
		}
		ref := symbols.ref(v)
		switch {
		case l.Value == "" || v == "" || uvarintLen(uint64(ref)) != uvarintLen(uint64(l.value)):
			moved = true
		case !moved:
			e.width += len(v) - len(l.Value)
			binary.PutUvarint(e.refs[l.at:], uint64(ref))
		}
		l.Value, l.value = v, ref
	}
	if moved {
		e.nameAt = set.nameAt
		e.encode()
	}
}

// rename takes over the names of a set, and says whether they are others than
// before. What a label was worth under the same name at the same place stays known.
func (e *encodedSet) rename(set *labelSet) (other bool) {
	e.arranged = set.arranged
	for i := range set.labels {
		name := set.labels[i].Name
		if i == len(e.labels) {
			e.labels = append(e.labels, encodedLabel{})
		}
		if e.labels[i].Name != name {
			e.labels[i], other = encodedLabel{Label: Label{Name: name}}, true
		}
	}
	if n := len(set.labels); n < len(e.labels) {
		clear(e.labels[n:])
		e.labels, other = e.labels[:n], true
	}
	return other
}

// encode writes all references.
func (e *encodedSet) encode() {
	e.refs, e.width = e.refs[:0], 0
	for i := range e.labels {
		if i == e.nameAt {
			e.split = len(e.refs)
		}
		l := &e.labels[i]
		if l.Value == "" {
			continue
		}
		e.refs = appendUvarint(e.refs, uint64(l.name))
		l.at = len(e.refs)
		e.refs = appendUvarint(e.refs, uint64(l.value))
		e.width += len(l.Name) + len(l.Value)
	}
	if e.nameAt >= len(e.labels) {
		e.split = len(e.refs)
	}
}

// encodedTime is a time in ms as a field, kept because it comes again: all samples
// of a tick have one time, those of a connection one start. The zero value is the
// time 0, which protobuf leaves out.
type encodedTime struct {
	ms    int64
	n     int // length of field
	field shortField
}

// shortField is some bytes that are appended again and again, up to 16.
type shortField [16]byte

// appendTo appends the first n bytes of the field. Copying all sixteen, and dropping the
// rest, is quicker than copying so many: 12 ns of the 200 that a sample takes to append.
func (f *shortField) appendTo(dst []byte, n int) []byte {
	return append(dst, f[:]...)[:len(dst)+n]
}

func (e *encodedTime) set(tag byte, ms int64) {
	if e.ms == ms {
		return
	}
	e.ms, e.n = ms, 0
	if ms != 0 {
		e.field[0] = tag
		e.n = 1 + binary.PutUvarint(e.field[1:], uint64(ms))
	}
}
