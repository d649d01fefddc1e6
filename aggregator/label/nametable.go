// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"slices"

	"github.com/skydive-project/skybridge/input"
)

// nameTable is what keys are called.
type nameTable[V any] struct {
	clock[V]
	whole  bool // a whole refresh has begun
	wanted wanted
}

func newNameTable[V any](evicted, want func()) nameTable[V] {
	return nameTable[V]{clock: newClock[V](0, evicted), wanted: newWanted(want)}
}

// get returns what a key is called, and wants it where that is unknown.
func (t *nameTable[V]) get(key []byte) (value V) {
	if e := t.use(key); e != nil {
		return e.Value
	}
	if len(key) > 0 {
		t.wanted.add(key)
	}
	return value
}

// begin is to be called before the rows of an entry.
func (t *nameTable[V]) begin(r input.Refresh) {
	if r.Whole {
		t.whole = true
		for i := range t.list {
			t.list[i].Old = true
		}
	}
}

// set takes a row.
func (t *nameTable[V]) set(key []byte, value V, gone bool) {
	i, known := t.byKey[string(key)]
	switch {
	case gone && known:
		t.remove(i)
	case gone:
	case known:
		t.list[i].Value, t.list[i].Old = value, false
	default:
		t.wanted.remove(key)
		t.add(string(key), value)
	}
}

// end is to be called after the rows of an entry.
func (t *nameTable[V]) end(r input.Refresh) {
	if !r.End || !t.whole {
		return
	}
	t.whole = false
	for i, slot := range slices.Backward(t.list) {
		if slot.Old {
			t.remove(i)
		}
	}
}

func (t *nameTable[V]) state() NameState[V] { return NameState[V]{t.list, t.hand, t.whole} }

func (t *nameTable[V]) restore(s NameState[V]) (ok bool) {
	t.whole = s.Whole
	return t.Restore(s.All, s.Hand)
}
