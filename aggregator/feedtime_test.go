// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestFeedTime(t *testing.T) {
	at := func(minutes int) int64 { return int64(minutes) * time.Minute.Milliseconds() }
	type event struct {
		minute int
		name   string
		live   bool
	}
	tests := []struct {
		name   string
		events []event
		gone   string // an analyzer that a reload removes
		goneAt int
		at     int // minutes
		want   int // minutes of feed time
	}{
		{name: "no one is live", at: 60, want: 0},
		{name: "one is live", events: []event{{0, "a", true}}, at: 60, want: 60},
		{name: "an outage stops it", events: []event{{0, "a", true}, {10, "a", false}, {30, "a", true}}, at: 60, want: 40},
		{name: "one of two is down for less than the grace", events: []event{{0, "a", true}, {0, "b", true}, {10, "b", false}}, at: 35, want: 10},
		{name: "one of two is given up after the grace", events: []event{{0, "a", true}, {0, "b", true}, {10, "b", false}}, at: 60, want: 30},
		{name: "all are down for longer than the grace", events: []event{{0, "a", true}, {10, "a", false}}, at: 120, want: 10},
		{name: "a flapping analyzer holds the clock only while down", events: []event{{0, "a", true}, {0, "b", true}, {10, "b", false}, {12, "b", true}}, at: 20, want: 18},
		{name: "saying it twice changes nothing", events: []event{{0, "a", true}, {0, "b", false}, {20, "b", false}}, at: 40, want: 10},
		{name: "one that is removed holds it no longer", events: []event{{0, "a", true}, {0, "b", false}}, gone: "b", goneAt: 5, at: 20, want: 15},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newFeedClock()
			c.grace = 30 * time.Minute
			for _, e := range test.events {
				c.set(e.name, e.live, at(e.minute))
			}
			if test.gone != "" {
				c.remove(test.gone, at(test.goneAt))
			}
			if got, want := c.now(at(test.at)), time.Duration(test.want)*time.Minute; got != want {
				t.Errorf("feed time %v, want %v", got, want)
			}
		})
	}
}

func TestOldWindowsExpire(t *testing.T) {
	n := &node{}
	if got := n.period(0); got != defaultPeriod {
		t.Errorf("period %v before any window, want %v", got, defaultPeriod)
	}
	n.addWindow(40*time.Second, 0)
	n.addWindow(10*time.Second, 5*time.Minute)
	if got := n.period(9 * time.Minute); got != 40*time.Second {
		t.Errorf("period %v, want the largest of ten minutes, 40s", got)
	}
	if got := n.period(11 * time.Minute); got != 10*time.Second {
		t.Errorf("period %v, want 10s: the largest has expired", got)
	}
	if got := n.period(time.Hour); got != 10*time.Second {
		t.Errorf("period %v after an hour of silence, want the last known, 10s", got)
	}
	n.addWindow(20*time.Second, time.Hour)
	if got := n.period(59 * time.Minute); got != 20*time.Second {
		t.Errorf("period %v, want 20s: feed time as of a moment ago erases nothing", got)
	}
}

// TestSweepWithoutTicks proves that without ticks, as while a clock that was set back waits, flows
// that end are forgotten when they are due, and that nothing is lost by it.
func TestSweepWithoutTicks(t *testing.T) {
	w := knownWorld(t, Config{})
	const rounds, each = 300, 10
	for round := range rounds {
		for i := range each {
			f := w.flow(fmt.Sprintf("%x", 1+round*each+i), 1000, 0)
			w.Update([]input.Flow{f})
			f.FinishType, f.LastUpdate.ABBytes = 1, 0
			w.Update([]input.Flow{f})
		}
		w.pass(10 * time.Second)
	}
	// An ended flow is kept for 11 minutes where another capture may report it, too.
	if got := w.metric("skybridge_flows", ""); got > 70*each {
		t.Errorf("%v flows are remembered of %d", got, rounds*each)
	}
	w.tick()
	w.want(abBytes, rounds*each*1000)
}

// TestGapWithoutInputs proves that a time in which the process was stopped, as by a suspended
// machine, is no silence of the network: no connection ends, and no flow is forgotten.
func TestGapWithoutInputs(t *testing.T) {
	w := knownWorld(t, Config{})
	w.count(w.flow("1", 1000, 0))
	w.jump(10 * time.Hour)
	f := w.flow("1", 3000, 0)
	f.LastUpdate.ABBytes = 500 // what came before was reported to no subscriber
	w.count(f)
	w.want(abBytes, 3000)
	for name, s := range w.receiver.series {
		if slices.ContainsFunc(s, func(s sample) bool { return s.stale }) {
			t.Errorf("%s has ended: %v", name, s)
		}
	}
}
