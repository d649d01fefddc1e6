// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/reference"
)

// TestObserversAcrossCrashes proves that what each capture has reported of a connection
// survives whatever ends the process, and reloads and restarts with other labels,
// ports, bounds and observers: nothing counts twice, and nothing is missing once a
// capture that saw everything has reported.
func TestObserversAcrossCrashes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const length = 150
		o := crossingOptions{
			oneNode: rapid.Bool().Draw(r, "one node"), late: rapid.Bool().Draw(r, "late"), loss: rapid.Bool().Draw(r, "loss"),
			complete: true, maxSkew: 400,
		}
		all := []*crossing{drawCrossing(r, 0, o, length), drawCrossing(r, 1, o, length)}
		cfg, view := drawView(r, "first")
		cfg.ConnectionTimeout = time.Duration(rapid.IntRange(1, 60).Draw(r, "timeout")) * time.Second
		drawBounds(r, &cfg)
		m := newCrashingProcess(t, cfg)
		defer m.crash(false)
		want, sent := reference.New(), &latest{}
		report := func(records []analyzer.Flow) {
			want.Report(records...)
			sent.report(records)
			m.Update(flowsOf(records))
		}
		report(arrival(all, m.time.UnixMilli()))
		m.pass(time.Minute)
		if !m.tickNow() {
			r.Fatal("dead without a reason")
		}
		reload := func() {
			if rapid.IntRange(0, 2).Draw(r, "reload") > 0 {
				return
			}
			next, _ := drawView(r, "next")
			drawBounds(r, &next)
			next.ConnectionTimeout, next.FlowRetention = m.cfg.ConnectionTimeout, m.cfg.FlowRetention
			next.Tunnels, next.Portless = cfg.Tunnels, cfg.Portless // what is left out until a reload would be a matter of time
			if !o.oneNode && next.scope() != cfg.scope() {
				next.Labels, next.Observers = cfg.Labels, cfg.Observers // how often it counts as well
			}
			m.cfg = next
		}
		d := drawDelivery(r)
		for s := 0; s < length || len(d.onWay) > 0; s++ {
			m.pass(time.Second)
			var made []analyzer.Flow
			for _, c := range all {
				if s < length {
					made = append(made, c.second(s, m.time.UnixMilli())...)
				}
			}
			report(d.second(s, made))
			if rapid.IntRange(0, 29).Draw(r, "fate") == 0 {
				at := rapid.IntRange(0, 12).Draw(r, "dies at operation")
				m.dieAt(at)
			}
			if s%5 == 4 && m.tickNow() {
				reload()
				m.applyLabels()
			}
			if m.dead() {
				m.crash(rapid.Bool().Draw(r, "power"))
				reload()
				m.begin()
				m.applyLabels()
				m.Update(flowsOf(sent.flows))
				checkBounds(r, m.Aggregator)
			}
		}
		m.dieAt(-1)
		m.pass(time.Second)
		for _, c := range all {
			report(c.last(m.time.UnixMilli()))
		}
		for m.pass(testInterval); !m.tickNow(); m.pass(testInterval) { // it was dying
			m.crash(true)
			m.begin()
			m.applyLabels()
		}
		m.Update(flowsOf(sent.flows))
		for range 6 { // also what a connection carries over that was ending
			m.tick()
		}
		if diff := cmp.Diff(grouped(want.Conversations(view, cfg.scope() == byTuple), nil), grouped(m.receiver.increases(), nil)); diff != "" {
			r.Errorf("after %d lives totals differ from what was reported (-want +got):\n%s", m.starts, diff)
		}
	})
}

// TestSharedConversationsSurviveARestart proves that a restart knows of conversations what was known
// before, from entries and from a snapshot, and that they are found again.
func TestSharedConversationsSurviveARestart(t *testing.T) {
	for name, saves := range map[string]bool{"snapshot": true, "entries": false} {
		t.Run(name, func(t *testing.T) {
			m := knownProcess(t, Config{})
			m.saves = saves
			a, b := m.flow("1", 1000, 0), m.flow("2", 700, 0)
			b.CaptureID = []byte("c2")
			alone := m.flow("3", 10, 0)
			alone.TransportA = 3
			m.Update([]input.Flow{b, a, alone})
			for range 3 {
				m.tick()
			}
			groups, key := m.shared.records.at(0).observers, m.conversationKey
			total, members := m.shared.records.at(0).total, m.shared.records.at(0).members
			lead := m.origins.nodes.byTID["n1"].clock.lead
			m.crash(true)
			m.begin()
			if m.shared.records.used != 1 {
				t.Fatalf("%d groups", m.shared.records.used)
			}
			if diff := cmp.Diff(groups, m.shared.records.at(0).observers, cmp.AllowUnexported(observer{}, counts{})); diff != "" {
				t.Error(diff)
			}
			if g := m.shared.records.at(0); g.total != total || g.members != members || m.conversationKey != key {
				t.Errorf("the group is %+v", g)
			}
			if n := m.origins.nodes.byTID["n1"].clock.lead; lead-n > lateAfter.Milliseconds() || n > lead {
				t.Errorf("the clock's lead is %d, was %d", n, lead)
			}
			late := m.flow("4", 10, 0) // of the one that was alone, from another capture
			late.TransportA, late.CaptureID, late.Start = 3, []byte("c2"), alone.Start
			m.count(late)
			m.want("bytes", 1010)
			m.crash(false)
		})
	}
}
