// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestDesksKeepOrder proves that messages which two goroutines decode are counted one
// at a time, once each and in their order, however long each takes to be decoded.
func TestDesksKeepOrder(t *testing.T) {
	const messages = 20_000
	l := newDesks()
	var counting atomic.Bool
	var counted []string // whoever counts has it
	count := func(d *desk) {
		if !counting.CompareAndSwap(false, true) {
			t.Error("two messages are counted at once")
		}
		counted = append(counted, d.err.Error())
		counting.Store(false)
	}
	var taken atomic.Uint64
	var working sync.WaitGroup
	for range 2 {
		working.Go(func() {
			for n := taken.Add(1) - 1; n < messages; n = taken.Add(1) - 1 {
				d := l.of(n)
				var words string
				for range 1 + n*n%17 { // some take longer than others
					words = fmt.Sprintf("message %d", n)
				}
				d.err = fmt.Errorf("%s", words)
				l.done(n, count)
			}
		})
	}
	working.Wait()
	if len(counted) != messages {
		t.Fatalf("%d messages were counted, want %d", len(counted), messages)
	}
	for n, got := range counted {
		if want := fmt.Sprintf("message %d", n); got != want {
			t.Fatalf("%q was counted in place of %q", got, want)
		}
	}
}
