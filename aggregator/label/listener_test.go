// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"fmt"
	"slices"
	"testing"
)

func newListeners() *Listeners { return NewListeners(func() {}) }

// TestListenersAreBounded has a feed invent servers: one that is asked for stays.
func TestListenersAreBounded(t *testing.T) {
	evicted := 0
	l := NewListeners(func() { evicted++ })
	l.Learn([]byte("kept"))
	for i := range 2 * maxListeners {
		l.Learn(fmt.Appendf(nil, "10.0.0.1 %d", i))
		if !l.knows([]byte("kept")) {
			t.Fatalf("evicted after %d others", i)
		}
	}
	if l.Len() != maxListeners || len(l.byKey) != maxListeners || evicted != maxListeners+1 {
		t.Errorf("%d in the list, %d in the map, %d evicted", l.Len(), len(l.byKey), evicted)
	}
	for i, one := range l.list {
		if l.byKey[one.Key] != i {
			t.Fatalf("%q is said to be at %d, and is at %d", one.Key, l.byKey[one.Key], i)
		}
	}
}

// TestListenersRestored proves that what was restored knows and evicts what the original does.
func TestListenersRestored(t *testing.T) {
	l, restored := newListeners(), newListeners()
	use := func(l *Listeners, from int) {
		for i := range maxListeners {
			l.Learn(fmt.Append(nil, from+i))
			l.knows(fmt.Append(nil, from+i/3))
		}
	}
	use(l, 0)
	use(l, 1000)
	all, hand := l.State()
	restored.Learn([]byte("before"))
	restored.Restore(slices.Clone(all), hand)
	use(l, 2000)
	use(restored, 2000)
	want, wantHand := l.State()
	got, gotHand := restored.State()
	if !slices.Equal(got, want) || gotHand != wantHand || restored.knows([]byte("before")) {
		t.Errorf("other listeners, or the hand is at %d instead of %d", gotHand, wantHand)
	}
}
