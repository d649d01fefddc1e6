// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package sketch

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestSpaceSaving holds the sketch against exact counts, whatever is added and taken.
func TestSpaceSaving(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := NewSpaceSaving(rapid.IntRange(1, 20).Draw(r, "size"))
		exact, total := map[uint64]uint64{}, uint64(0)
		for range rapid.IntRange(0, 300).Draw(r, "steps") {
			// Few are busy, many are not.
			id := uint64(rapid.IntRange(0, rapid.SampledFrom([]int{3, 60}).Draw(r, "of")).Draw(r, "id"))
			if rapid.IntRange(0, 30).Draw(r, "take") == 0 {
				if got := b.Take(id); got > exact[id] {
					r.Fatalf("%d carried %d, taken %d", id, exact[id], got)
				}
				// What was taken is not in the sketch any more, nor in what it is held against.
				total -= exact[id]
				delete(exact, id)
				continue
			}
			bytes := rapid.Uint64Range(0, 1000).Draw(r, "bytes")
			b.Add(id, bytes)
			exact[id] += bytes
			total += bytes
			for i := 1; i < len(b.counters); i++ {
				if b.counters[(i-1)/2].Bytes > b.counters[i].Bytes {
					r.Fatalf("no heap at %d: %v", i, b.counters)
				}
			}
		}
		if len(b.counters) > b.size || len(b.at) != len(b.counters) {
			r.Fatalf("%d counters and %d places, want at most %d", len(b.counters), len(b.at), b.size)
		}
		for i, c := range b.counters {
			if b.at[c.ID] != i {
				r.Fatalf("%d is at %d, not %d", c.ID, i, b.at[c.ID])
			}
			if c.Surely() > exact[c.ID] {
				r.Fatalf("%d carried %d, the sketch says surely %d", c.ID, exact[c.ID], c.Surely())
			}
		}
		before := ^uint64(0)
		for _, c := range b.Ranked() {
			if c.Surely() == 0 || c.Surely() > before {
				r.Fatalf("ranked %v", b.counters)
			}
			before = c.Surely()
		}
	})
}

// TestSpaceSavingFindsTheBusiest proves what the sketch is for: among many times more
// connections than counters, those that carry much are found, in their order.
func TestSpaceSavingFindsTheBusiest(t *testing.T) {
	const busy, crowd = 10, 10_000
	b := NewSpaceSaving(4 * busy)
	for round := range 100 {
		for i := range uint64(busy) {
			b.Add(i, 1000+10*i)
		}
		for i := range uint64(crowd / 100) {
			b.Add(1000+uint64(round)*crowd+i, 10)
		}
	}
	ranked := b.Ranked()
	for i := range uint64(busy) {
		if got := ranked[i].ID; got != busy-1-i {
			t.Errorf("place %d has %d, want %d", i, got, busy-1-i)
		}
	}
}

// TestHyperLogLog proves that estimates are as good as their comment says, with the same
// hashes shown twice and in two sketches.
func TestHyperLogLog(t *testing.T) {
	for _, n := range []int{0, 1, 2, 10, 100, 1000, 5000, 12_000, 50_000, 1_000_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var a, b HyperLogLog
			for i := range n {
				for range 2 {
					a.Add(Spread(uint64(i)))
				}
				if i%3 == 0 {
					b.Add(Spread(uint64(i)))
				}
			}
			got := a.Estimate(&b)
			if slack := n / 25; got < n-slack || got > n+slack {
				t.Errorf("estimated %d", got)
			}
		})
	}
}

// TestHyperLogLogOfBoth proves that an estimate is of what either sketch was shown.
func TestHyperLogLogOfBoth(t *testing.T) {
	var a, b HyperLogLog
	for i := range uint64(1000) {
		a.Add(Spread(i))
		b.Add(Spread(i + 500))
	}
	if got := a.Estimate(&b); got < 1450 || got > 1550 {
		t.Errorf("estimated %d, want about 1500", got)
	}
}
