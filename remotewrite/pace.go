// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"math"
	"sync/atomic"
	"time"
)

// pace says by when an endpoint has to take its next step. Each wait is announced
// with its length: for an answer, for a receiver's Retry-After, for the next
// attempt. So one that is overdue hangs in something that should not take time, a
// disk or a lock, while one whose receiver is down keeps its pace.
//
// Senders of a group share it, and the one that waits longest decides. It is by the
// monotonic clock, from its making on.
type pace struct {
	began time.Time
	due   atomic.Int64 // ns after began
}

func newPace() *pace {
	p := &pace{began: time.Now()}
	p.rests()
	return p
}

// rests: there is nothing to do, however long.
func (p *pace) rests() { p.due.Store(math.MaxInt64) }

// works: a step begins, and nobody waits for anything.
func (p *pace) works() { p.due.Store(int64(time.Since(p.began))) }

// waits: the next step comes when d has passed, or earlier.
func (p *pace) waits(d time.Duration) {
	due := int64(time.Since(p.began) + max(0, d))
	for {
		is := p.due.Load()
		if is >= due || p.due.CompareAndSwap(is, due) {
			return
		}
	}
}

// overdue is for how long the next step has not come.
func (p *pace) overdue() time.Duration {
	return max(0, time.Since(p.began)-time.Duration(p.due.Load()))
}

// Overdue returns for how long the slowest endpoint has not taken a step that it
// does not wait for: 0 or some milliseconds is usual, whether its receiver is well,
// slow or down. More means that an operation of its disk hangs, or that it has a bug.
func (s *Sender) Overdue() time.Duration {
	var longest time.Duration
	for _, e := range s.live.all() {
		longest = max(longest, e.pace.overdue())
	}
	return longest
}
