// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import "time"

// How long the bridge waits before it connects again.
const (
	minDelay = time.Second
	maxDelay = 30 * time.Second

	// healthyAfter is how long a connection must have lasted to be a success.
	// The analyzer drops a client whose pongs do not arrive after 7.0 s
	// (measured), so one that lives longer works both ways.
	healthyAfter = 10 * time.Second

	// A dead connection of ours keeps its host id for up to 7.0 s, during which
	// a new one is answered 409. For conflictFor the attempts therefore follow
	// each other in conflictDelay to twice that.
	conflictFor   = 10 * time.Second
	conflictDelay = 500 * time.Millisecond
)

// backoff decides when to connect again. The delays double from 1 s to 30 s
// and are jittered so that bridges that lost the same analyzer do not return
// in step. The zero value with random set is ready; it is not safe for
// concurrent use.
type backoff struct {
	random   func() float64 // in [0, 1)
	min, max time.Duration  // minDelay and maxDelay, but for tests

	failures      uint
	conflictSince time.Time
}

// after returns the wait after a connection that ended, or an attempt that
// failed, at now. lasted is how long it was subscribed, 0 for an attempt.
func (b *backoff) after(r reason, lasted time.Duration, now time.Time) time.Duration {
	if lasted >= healthyAfter {
		b.failures = 0
	}
	if r != reasonConflict {
		b.conflictSince = time.Time{}
	} else {
		if b.conflictSince.IsZero() {
			b.conflictSince = now
		}
		if now.Sub(b.conflictSince) < conflictFor {
			return b.jittered(min(conflictDelay, b.min))
		}
	}
	// Between low and twice low, so all delays are within min and max.
	low := min(b.min<<min(b.failures, 16), b.max/2)
	b.failures++
	return b.jittered(low)
}

func (b *backoff) jittered(low time.Duration) time.Duration {
	return low + time.Duration(b.random()*float64(low))
}
