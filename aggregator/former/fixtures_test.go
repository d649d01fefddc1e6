// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package former_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// TestFixtures continues from directories that versions before the journal of inputs wrote, of
// the commit "aggregator: an undone tick takes back the ends of captures"; version-1 is of format
// version 1. What is sampled is what receivers had, and what came since.
func TestFixtures(t *testing.T) {
	t.Run("journals of two processes", func(t *testing.T) {
		b, s := adopt(t, "journals", aggregator.Config{}, 120, 120)
		b.count()
		b.count(b.flow("1", 40000, 4000, 900), b.flow("text", 40001, 150, 0), b.flow("3", 40002, 1700, 0))
		b.want(
			"135: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [3500 700] since 90",
			"135: 10.0.0.1 40001 n1 TCP 10.0.0.2 80 bytes [100 0] since 90",
			"135: 10.0.0.1 40002 n1 TCP 10.0.0.2 80 bytes [500 0] since 90",
			"135: capture c1 dropped 10 since 90",
			"150: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [4000 900] since 90",
			"150: 10.0.0.1 40001 n1 TCP 10.0.0.2 80 bytes [150 0] since 90",
			"150: 10.0.0.1 40002 n1 TCP 10.0.0.2 80 bytes [700 0] since 90",
			"150: capture c1 dropped 10 since 90, ends",
		)
		if s.Cut != 0 || s.SentUntil != 0 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("other labels since a reload", func(t *testing.T) {
		cfg := aggregator.Config{Config: label.Config{
			Labels: []string{"protocol", "target_ip", "target_port"},
			Ports:  label.ServicePorts, ServicePorts: []label.PortRange{{Protocol: "TCP", First: 8000, Last: 8001}},
		}}
		b, _ := adopt(t, "labels", cfg, 180, 180)
		f := b.flow("2", 40001, 60, 0)
		f.TransportB = 8001
		answered := b.flow("6", 40004, 30, 0)
		answered.TransportB = 8123
		b.count(f, b.flow("1", 40000, 1800, 600), answered)
		b.want(
			"195: TCP 10.0.0.2 80 bytes [900 0] since 150",
			"195: TCP 10.0.0.2 8001 bytes [60 0] since 150",
			"195: TCP 10.0.0.2 8123 bytes [230 0] since 150",
		)
		other := cfg
		other.ServicePorts = nil
		if b.aggregator.Renames(cfg) || !b.aggregator.Renames(other) || !b.aggregator.Renames(aggregator.Config{Config: label.Config{Labels: label.Default()}}) {
			t.Error("the names are not those of the state")
		}
	})
	t.Run("observers: one", func(t *testing.T) {
		var labels []string
		for _, name := range label.Default() {
			if name != "node_tid" {
				labels = append(labels, name)
			}
		}
		cfg := aggregator.Config{Config: label.Config{Labels: labels}, Observers: aggregator.ObserversOne}
		b, _ := adopt(t, "observers", cfg, 120, 120)
		b.count(by(b.flow("2", 40000, 1500, 0), "n2", "c1"))
		b.count(b.flow("1", 40000, 1600, 0))
		b.want(
			"135: 10.0.0.1 40000 TCP 10.0.0.2 80 bytes [1500 0] since 90",
			"150: 10.0.0.1 40000 TCP 10.0.0.2 80 bytes [1600 0] since 90",
		)
	})
	t.Run("a torn end", func(t *testing.T) {
		b, s := adopt(t, "torn", aggregator.Config{}, 105, 105)
		b.count()
		b.count(b.flow("1", 40000, 4000, 700))
		b.want(
			"120: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [1000 500] since 90",
			"135: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [4000 700] since 90",
		)
		if s.Cut == 0 {
			t.Error("nothing was cut")
		}
	})
	t.Run("a tick that the log lacks", func(t *testing.T) {
		b, s := adopt(t, "undone", aggregator.Config{}, 150, 180)
		b.count(b.flow("2", 2, 2600, 0))
		b.count()
		b.count()
		b.want(
			"195: 10.0.0.1 1 n1 TCP 10.0.0.2 80 bytes [1000 0] since 90, ends",
			"195: 10.0.0.1 2 n1 TCP 10.0.0.2 80 bytes [2000 0] since 90, ends",
			"195: 10.0.0.1 3 n1 TCP 10.0.0.2 80 bytes [5 0] since 180, begins",
			"195: capture c1 dropped 10 since 105, ends",
			"210: 10.0.0.1 3 n1 TCP 10.0.0.2 80 bytes [5 0] since 180",
			"225: 10.0.0.1 2 n1 TCP 10.0.0.2 80 bytes [600 0] since 210, begins",
			"225: 10.0.0.1 3 n1 TCP 10.0.0.2 80 bytes [5 0] since 180",
		)
		if s.SentUntil != 0 {
			t.Error(s.SentUntil)
		}
	})
	t.Run("a tick that may have been sent", func(t *testing.T) {
		b, _ := adopt(t, "sent", aggregator.Config{}, 105, 120)
		b.count(b.flow("1", 40000, 1500, 0))
		b.want(
			"135: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [1500 0] since 105",
		)
	})
	t.Run("a snapshot and journals", func(t *testing.T) {
		b, _ := adopt(t, "snapshot", aggregator.Config{}, 150, 150)
		b.count(by(b.flow("2", 40000, 2300, 0), "n1", "c2"), b.flow("text", 40001, 100, 0))
		b.want(
			"165: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [2300 0] since 90",
			"165: 10.0.0.1 40001 n1 TCP 10.0.0.2 80 bytes [100 0] since 90",
		)
	})
	t.Run("a held record", func(t *testing.T) {
		b, _ := adopt(t, "held", aggregator.Config{}, 120, 120)
		for i := range int64(3) { // the agent's clock was set back
			f := b.flow("2", 40000, 200+i, 0)
			for _, at := range []*int64{&f.Start, &f.LastUpdate.Start, &f.LastUpdate.Last, &f.Metric.Start, &f.Metric.Last} {
				*at -= 600_000
			}
			b.count(f)
		}
		b.want(
			"135: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [200 0] since 90",
			"150: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [201 0] since 90",
			"165: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [202 0] since 90",
			"165: 10.0.0.1 40001 n1 TCP 10.0.0.2 80 bytes [700 0] since 150, begins",
		)
	})
	t.Run("format version 1", func(t *testing.T) {
		cfg := aggregator.Config{Config: label.Config{Labels: []string{"protocol"}}}
		b, _ := adopt(t, "version-1", cfg, 90, 90)
		for i, capture := range []string{"c1", "c2"} { // both see the same, now with its VLAN
			f := by(b.flow(fmt.Sprintf("a%d", i), 500, 1100, 0), "n1", capture)
			f.TransportProtocol, f.TransportB, f.VLAN = []byte("UDP"), 500, 10
			b.Update([]input.Flow{f})
		}
		b.count()
		b.want(
			"105: UDP bytes [1100 0] since 60",
		)
	})
	t.Run("older than the log", func(t *testing.T) {
		b, s := adopt(t, "journals", aggregator.Config{}, 135, 135)
		f := b.flow("1", 40000, 4000, 900)
		f.Start, f.LastUpdate.ABBytes, f.LastUpdate.BABytes = began, 500, 0
		b.count(f) // its last update counts, what was before may have
		b.count(b.flow("1", 40000, 4700, 900))
		b.count()
		b.want(
			"180: 10.0.0.1 40000 n1 TCP 10.0.0.2 80 bytes [1200 0] since 165, begins",
		)
		if s.Found || !strings.Contains(s.ResetReason, "older than what was sent last") {
			t.Errorf("%+v", s)
		}
	})
}
