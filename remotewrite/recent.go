// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"sync"
	"time"
)

// recentMinutes is how long refusals and losses stay in an endpoint's status: as long
// as the window of the alerts on them.
const recentMinutes = 15

// recent sums what was refused and lost in the last minutes. The zero value is ready;
// it may be used from many goroutines.
type recent struct {
	mu      sync.Mutex
	began   time.Time
	minutes [recentMinutes]minute // by their number
}

type minute struct {
	number         int64 // since began
	samples, bytes uint64
}

func (r *recent) add(samples, bytes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		r.began = time.Now()
	}
	n := int64(time.Since(r.began) / time.Minute) // by the monotonic clock
	m := &r.minutes[n%recentMinutes]
	if m.number != n {
		*m = minute{number: n}
	}
	m.samples += samples
	m.bytes += bytes
}

func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.minutes = [recentMinutes]minute{}
}

func (r *recent) sum() (samples, bytes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := int64(time.Since(r.began)/time.Minute) - recentMinutes
	for _, m := range r.minutes {
		if m.number > oldest {
			samples += m.samples
			bytes += m.bytes
		}
	}
	return samples, bytes
}
