// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"sync"
	"time"
)

// logEvery is how often one kind of trouble is logged at most.
const logEvery = 10 * time.Second

// rateLimit lets one event in logEvery through. The zero value is ready.
type rateLimit struct {
	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// allow says whether the event may be logged, and how many were not since the
// last that was.
func (r *rateLimit) allow(now time.Time) (suppressed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && now.Sub(r.last) < logEvery {
		r.suppressed++
		return 0, false
	}
	suppressed = r.suppressed
	r.last, r.suppressed = now, 0
	return suppressed, true
}
