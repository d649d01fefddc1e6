// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTicksAreAligned lets a bridge without a feed tick for a while, and changes
// the push interval in between.
func TestTicksAreAligned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(3700 * time.Millisecond) // fake time: begin between two ticks
		l := newLab(t)
		l.configure("")
		l.start()
		defer l.halt()
		expect := func(after, at time.Duration) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := time.UnixMilli(l.aggregator.LastTick()).Sub(epoch); got != at {
				t.Errorf("last tick at %v, want %v", got, at)
			}
		}
		begun := time.UnixMilli(l.aggregator.LastTick()).Sub(epoch)
		expect(time.Second, begun) // 4.7 s: none yet
		expect(11*time.Second, 15*time.Second)
		expect(15*time.Second, 30*time.Second)
		l.configure("global: {push_interval: 10s}\n")
		if err := l.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect(8*time.Second, 30*time.Second) // 38.7 s
		expect(2*time.Second, 40*time.Second)
		expect(10*time.Second, 50*time.Second)
	})
}

// epoch is where the fake clock of synctest begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
