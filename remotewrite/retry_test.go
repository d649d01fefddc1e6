// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"testing"
	"time"
)

// TestBackoff proves that pauses double from min to max, with jitter, and never
// leave that range.
func TestBackoff(t *testing.T) {
	for _, c := range []struct{ minimum, maximum time.Duration }{
		{30 * time.Millisecond, 5 * time.Second},
		{time.Second, time.Second},
		{time.Nanosecond, 3 * time.Nanosecond},
	} {
		var b backoff
		step := c.minimum
		for i := range 40 {
			got := b.next(c.minimum, c.maximum)
			if got < c.minimum || got < step/2 || got > step {
				t.Errorf("pause %d from %v to %v is %v, want between %v and %v", i, c.minimum, c.maximum, got, step/2, step)
			}
			step = min(2*step, c.maximum)
		}
	}
}

// TestSenderCount proves the rule by which a group's parallelism grows.
func TestSenderCount(t *testing.T) {
	const far, near, minute = 100 * time.Millisecond, time.Millisecond, time.Minute
	for _, c := range []struct {
		minimum, maximum, waiting, requests int
		took, interval                      time.Duration
		want, desired                       int
	}{
		{1, 50, 0, 100, 0, minute, 1, 1},
		{1, 50, 3, 100, 0, minute, 8, 8},
		{1, 50, 10, 100, 0, minute, 50, 100},
		{4, 4, 9, 100, 0, minute, 4, 100},
		{5, 50, 1, 3, 0, minute, 3, 3},
		{1, 50, 1000, 1 << 20, 0, minute, 50, 1 << 16},
		{2, 50, 0, 0, far, minute, 1, 1},
		{1, 50, 0, 300, far, minute, 1, 1},
		{1, 50, 0, 301, far, minute, 2, 2},
		{1, 50, 0, 2500, far, 15 * time.Second, 34, 34},
		{1, 50, 1, 2500, far, 15 * time.Second, 50, 67},
		{1, 50, 0, 2500, near, 15 * time.Second, 1, 1},
		{1, 50, 0, 2500, far, 0, 1, 1},
		{8, 50, 0, 2500, near, 15 * time.Second, 8, 8},
	} {
		n, desired := senderCount(c.minimum, c.maximum, c.waiting, c.requests, c.took, c.interval)
		if n != c.want || desired != c.desired {
			t.Errorf("%+v: %d, %d", c, n, desired)
		}
	}
}
