// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

//go:build real

package bridge

import (
	"testing"
	"time"
)

// TestOutagesAtScale is TestOutages with 100,000 series at a time.
func TestOutagesAtScale(t *testing.T) {
	for _, o := range []outage{
		{name: "50 minutes, out of order", down: 50 * time.Minute, outOfOrder: 4 * time.Hour},
		{name: "3 hours", down: 3 * time.Hour, changes: []change{reloads, externalLabels}},
	} {
		o.series, o.latency = 100_000, 20*time.Millisecond
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			o.run(t)
		})
	}
}

// TestOutageOnALittleDisk has room for a sixth of the backlog: the oldest ticks are
// deleted, and what ended in them is kept.
func TestOutageOnALittleDisk(t *testing.T) {
	outage{series: 10_000, latency: 50 * time.Millisecond, down: 3 * time.Hour, maxBytes: 16 << 20}.run(t)
}

// TestOutagesWithOneChange makes each change by itself.
func TestOutagesWithOneChange(t *testing.T) {
	for _, c := range []change{reloads, externalLabels, newLabels, relabels, secondEndpoint} {
		o := outage{series: 2000, latency: 150 * time.Millisecond, down: 3 * time.Hour, changes: []change{c}}
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			o.run(t)
		})
	}
}
