// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"log/slog"
	"sync"
	"time"
)

// throttle lets an event that can repeat without end through once in a while,
// for the log. The zero value with every set is ready. Safe for concurrent use.
type throttle struct {
	every time.Duration

	mu      sync.Mutex
	last    time.Time
	dropped uint64
}

// allow reports whether the event may be logged, and how many were held back
// since the last one that was.
func (t *throttle) allow(now time.Time) (dropped uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.last.IsZero() && now.Sub(t.last) < t.every {
		t.dropped++
		return 0, false
	}
	dropped, t.dropped, t.last = t.dropped, 0, now
	return dropped, true
}

// notLogged is the attribute for how many events were held back, none for 0.
func notLogged(dropped uint64) slog.Attr {
	if dropped == 0 {
		return slog.Attr{} // handlers leave it out
	}
	return slog.Uint64("not_logged", dropped)
}
