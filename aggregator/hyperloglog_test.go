// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"testing"
)

// TestDistinct proves that estimates are as good as their comment says, with the same
// hashes shown twice and in two sketches.
func TestDistinct(t *testing.T) {
	for _, n := range []int{0, 1, 2, 10, 100, 1000, 5000, 12_000, 50_000, 1_000_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var a, b hyperLogLog
			for i := range n {
				for range 2 {
					a.add(spread(uint64(i)))
				}
				if i%3 == 0 {
					b.add(spread(uint64(i)))
				}
			}
			got := a.estimate(&b)
			if slack := n / 25; got < n-slack || got > n+slack {
				t.Errorf("estimated %d", got)
			}
		})
	}
}

// TestDistinctOfBoth proves that an estimate is of what either sketch was shown.
func TestDistinctOfBoth(t *testing.T) {
	var a, b hyperLogLog
	for i := range uint64(1000) {
		a.add(spread(i))
		b.add(spread(i + 500))
	}
	if got := a.estimate(&b); got < 1450 || got > 1550 {
		t.Errorf("estimated %d, want about 1500", got)
	}
}
