// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"

	"pgregory.net/rapid"
)

// TestBusiest holds the sketch against exact counts, whatever is added and taken.
func TestBusiest(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := newSpaceSaving(rapid.IntRange(1, 20).Draw(r, "size"))
		exact, total := map[uint64]uint64{}, uint64(0)
		for range rapid.IntRange(0, 300).Draw(r, "steps") {
			// Few are busy, many are not.
			id := uint64(rapid.IntRange(0, rapid.SampledFrom([]int{3, 60}).Draw(r, "of")).Draw(r, "id"))
			if rapid.IntRange(0, 30).Draw(r, "take") == 0 {
				if got := b.take(id); got > exact[id] {
					r.Fatalf("%d carried %d, taken %d", id, exact[id], got)
				}
				// What was taken is not in the sketch any more, nor in what it is held against.
				total -= exact[id]
				delete(exact, id)
				continue
			}
			bytes := rapid.Uint64Range(0, 1000).Draw(r, "bytes")
			b.add(id, bytes)
			exact[id] += bytes
			total += bytes
			for i := 1; i < len(b.counters); i++ {
				if b.counters[(i-1)/2].bytes > b.counters[i].bytes {
					r.Fatalf("no heap at %d: %v", i, b.counters)
				}
			}
		}
		if len(b.counters) > b.size || len(b.at) != len(b.counters) {
			r.Fatalf("%d counters and %d places, want at most %d", len(b.counters), len(b.at), b.size)
		}
		for i, c := range b.counters {
			if b.at[c.id] != i {
				r.Fatalf("%d is at %d, not %d", c.id, i, b.at[c.id])
			}
			if c.surely() > exact[c.id] {
				r.Fatalf("%d carried %d, the sketch says surely %d", c.id, exact[c.id], c.surely())
			}
		}
		before := ^uint64(0)
		for _, c := range b.ranked() {
			if c.surely() == 0 || c.surely() > before {
				r.Fatalf("ranked %v", b.counters)
			}
			before = c.surely()
		}
	})
}

// TestBusiestFindsThem proves what the sketch is for: among many times more
// connections than counters, those that carry much are found, in their order.
func TestBusiestFindsThem(t *testing.T) {
	const busy, crowd = 10, 10_000
	b := newSpaceSaving(sketchRatio * busy)
	for round := range 100 {
		for i := range uint64(busy) {
			b.add(i, 1000+10*i)
		}
		for i := range uint64(crowd / 100) {
			b.add(1000+uint64(round)*crowd+i, 10)
		}
	}
	ranked := b.ranked()
	for i := range uint64(busy) {
		if got := ranked[i].id; got != busy-1-i {
			t.Errorf("place %d has %d, want %d", i, got, busy-1-i)
		}
	}
}
