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

// statusLine says in a line how the bridge is: counts only, for every user of the
// machine may read it.
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
	well, waiting, endpoints := 0, 0, b.sender.Status()
	for _, e := range endpoints {
		if e.OK() {
			well++
		}
		waiting = max(waiting, e.BacklogTicks)
	}
	if len(endpoints) > 0 {
		receivers := fmt.Sprintf("receivers: %d of %d well", well, len(endpoints))
		if waiting > 1 { // the one in flight is no backlog
			receivers += fmt.Sprintf(", up to %d ticks wait", waiting)
		}
		parts = append(parts, receivers)
	}
	return strings.Join(parts, "; ")
}

// healthy is what /-/healthy says: that nothing hangs, by the measure of the watchdog.
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

// hangs names what has not gone on for longer than patience. Peers that are down or
// slow hang nothing, nor does a disk: each wait for them has an end that is known beforehand.
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
