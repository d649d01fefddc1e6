// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package progress notices work that stands still.
package progress

import (
	"math"
	"sync/atomic"
	"time"
)

// Deadline is by when a job has to take its next step. A job that waits for something,
// such as a receiver's answer, says for how long at most; so one that is overdue hangs
// in something that should take no time, a lock or a disk, or has a bug. Its methods
// may be called concurrently. It goes by the monotonic clock.
type Deadline struct {
	made time.Time
	due  atomic.Int64 // ns after made
}

// NewDeadline returns the deadline of a job that is idle.
func NewDeadline() *Deadline {
	d := &Deadline{made: time.Now()}
	d.Idle()
	return d
}

// Idle means that there is nothing to do, for however long.
func (d *Deadline) Idle() { d.due.Store(math.MaxInt64) }

// Busy means that a step begins, and that it waits for nothing.
func (d *Deadline) Busy() { d.due.Store(int64(time.Since(d.made))) }

// Set means that the next step comes when wait has passed, or earlier. Of several that
// share the deadline of a busy job the longest wait decides.
func (d *Deadline) Set(wait time.Duration) {
	due := int64(time.Since(d.made) + max(0, wait))
	for {
		is := d.due.Load()
		if is >= due || d.due.CompareAndSwap(is, due) {
			return
		}
	}
}

// Overdue returns for how long the next step has not come; 0: it is in time.
func (d *Deadline) Overdue() time.Duration {
	return max(0, time.Since(d.made)-time.Duration(d.due.Load()))
}
