// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"log/slog"
	"sync"
	"time"
)

// AnalyzerStatus is the state of one analyzer's feed.
type AnalyzerStatus struct {
	Analyzer    string    // its URL without query
	HostID      string    // what it calls itself; "": it was not reached yet
	SameAs      string    // the URL by which this analyzer is read already; "": it is read by this one
	Connected   bool      // subscribed now
	Since       time.Time // when Connected became what it is
	LastMessage time.Time // zero: none yet
	Messages    uint64    // data messages, dropped ones included
	Updates     uint64    // flow records that were decoded
	Dropped     uint64    // messages that were dropped because the queue was full
	Reconnects  uint64
	LastError   string // why it had to connect again last; no secrets
	LastErrorAt time.Time
}

// traffic is what one analyzer sent, over all connections to it.
type traffic struct {
	watchdog *watchdog
	metrics  linkMetrics
	seldom   *slog.Logger // for what can repeat without end

	mu     sync.Mutex
	status AnalyzerStatus
}

// note changes the status.
func (t *traffic) note(change func(*AnalyzerStatus)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.status)
}

func (t *traffic) snapshot() (s AnalyzerStatus) {
	t.note(func(now *AnalyzerStatus) { s = *now })
	return s
}
