// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"sync/atomic"
	"time"
)

// Pulse is of a job that is done again and again, one at a time: it says for how
// long the one at hand has been going on, by the monotonic clock. The zero value is
// not ready: see [NewPulse].
type Pulse struct {
	made  time.Time
	since atomic.Int64 // ns after made, at least 1; 0: no job is at hand
}

// NewPulse returns the pulse of a job that has not begun.
func NewPulse() *Pulse { return &Pulse{made: time.Now()} }

// Begin says that a job begins.
func (p *Pulse) Begin() { p.since.Store(max(1, int64(time.Since(p.made)))) }

// End says that it is done.
func (p *Pulse) End() { p.since.Store(0) }

// Lasting returns for how long the job at hand has been going on; 0: there is none.
// It may be called beside the others.
func (p *Pulse) Lasting() time.Duration {
	since := p.since.Load()
	if since == 0 {
		return 0
	}
	return max(0, time.Since(p.made)-time.Duration(since))
}
