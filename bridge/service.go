// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"strings"
	"time"

	"github.com/skydive-project/skybridge/bridge/notify"
)

// watched is what the service manager asks.
func (b *Bridge) watched() notify.Watched {
	return notify.Watched{
		Ready:  b.feed.Subscribed, // the state is loaded and the port listens by then
		Status: b.statusLine,
		Hangs:  b.hangs,
	}
}

// statusLine is the bridge's status in a line: counts only, for every user of the machine may
// read it.
func (b *Bridge) statusLine() string {
	var parts []string
	if _, word := b.ready(); word != "ready" {
		parts = append(parts, word)
	}
	connected, analyzers := 0, b.feed.Status()
	for _, a := range analyzers {
		if a.Connected {
			connected++
		}
	}
	parts = append(parts, fmt.Sprintf("analyzers: %d of %d connected", connected, len(analyzers)),
		fmt.Sprintf("series: %d", b.aggregator.Series()))
	healthy, waiting, endpoints := 0, 0, b.sender.Status()
	for _, e := range endpoints {
		if e.OK() {
			healthy++
		}
		waiting = max(waiting, e.BacklogTicks)
	}
	if len(endpoints) > 0 {
		receivers := fmt.Sprintf("receivers: %d of %d healthy", healthy, len(endpoints))
		if waiting > 1 { // the one in flight is no backlog
			receivers += fmt.Sprintf(", up to %d ticks wait", waiting)
		}
		parts = append(parts, receivers)
	}
	return strings.Join(parts, "; ")
}

// healthy answers /-/healthy: nothing has been hanging for longer than the watchdog allows.
func (b *Bridge) healthy() (ok bool, word string) {
	hung := b.hangs(b.options.Service.HangsAfter())
	if hung == "" {
		b.unhealthy.Store(false)
		return true, "healthy"
	}
	if b.unhealthy.CompareAndSwap(false, true) {
		b.logger.Error("the bridge hangs; /-/healthy answers 503 until it does not", "what", hung)
	}
	return false, "hangs: " + hung
}

// hangs names what has not made progress for longer than patience. Peers and disks that are
// down or slow do not cause it: each wait for them has a timeout.
func (b *Bridge) hangs(patience time.Duration) string {
	var hung []string
	for _, part := range []struct {
		name    string
		overdue time.Duration
	}{
		{"ingest (a message is being counted)", b.feed.Overdue()},
		{"ticks (one is being sampled and written)", b.ticksDue.Overdue()},
		{"push (a request is being made)", b.sender.Overdue()},
		{"web (a request of our own is not answered)", b.web.Overdue()},
	} {
		if part.overdue > patience {
			hung = append(hung, fmt.Sprintf("%s for %s", part.name, part.overdue.Round(time.Second)))
		}
	}
	return strings.Join(hung, "; ")
}
