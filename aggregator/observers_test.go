// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/reference"
)

// withoutNode are the default labels but node_tid.
func withoutNode() (labels []string) {
	for _, l := range label.Default() {
		if l != "node_tid" {
			labels = append(labels, l)
		}
	}
	return labels
}

// crossings is a world with connections that several captures see.
type crossings struct {
	*world
	all  []*crossing
	want *reference.Reference
}

// crossingConfig counts them once: on a node, or anywhere.
func crossingConfig(one bool) Config {
	cfg := Config{Config: label.Config{Labels: withoutNode()}, ConnectionTimeout: 20 * time.Second}
	if one {
		cfg.Observers = ObserversOne
	}
	return cfg
}

// newCrossings begins it: every capture has an epoch before anything passes.
func newCrossings(t *testing.T, cfg Config, all []*crossing) *crossings {
	cs := &crossings{world: newWorld(t, cfg), all: all, want: reference.New()}
	cs.report(arrival(all, cs.time.UnixMilli())...)
	cs.pass(time.Minute)
	return cs
}

// arrival returns a record of every capture that sets its epoch.
func arrival(all []*crossing, now int64) (records []analyzer.Flow) {
	for _, c := range all {
		for _, w := range c.watchers {
			records = append(records, analyzer.Flow{
				UUID: "1", NodeTID: w.node, CaptureID: w.capture, Metric: &analyzer.Metric{},
				LastUpdateMetric: &analyzer.Metric{Start: now + w.skew - 1000, Last: now + w.skew},
			})
		}
	}
	return records
}

func (cs *crossings) report(records ...analyzer.Flow) {
	cs.want.Report(records...)
	cs.Update(flowsOf(records))
}

// play lets so many seconds pass, and those in which records are still on their way.
func (cs *crossings) play(length int, d *delivery, between func(s int)) {
	for s := 0; s < length || len(d.onWay) > 0; s++ {
		cs.pass(time.Second)
		between(s)
		var made []analyzer.Flow
		for _, c := range cs.all {
			if s < length {
				made = append(made, c.second(s, cs.time.UnixMilli())...)
			}
		}
		for _, f := range d.second(s, made) {
			cs.report(f)
		}
		if s%15 == 14 {
			cs.tickNow()
		}
	}
	cs.pass(time.Second)
	for _, c := range cs.all {
		cs.report(c.last(cs.time.UnixMilli())...)
	}
	cs.tick()
}

// exported is what was counted of a connection, by direction.
func (w *world) exported(c *crossing) [2]int64 { return c.in(w.receiver.increases()) }

// in is how much of sums by series is a connection's, by direction.
func (c *crossing) in(series map[string]uint64) (sum [2]int64) {
	for name, n := range series {
		if !strings.HasPrefix(name, "bytes") || !strings.Contains(name, fmt.Sprintf("_port=%d", 4000+c.id)) {
			continue
		}
		d := 0
		if strings.Contains(name, "initiator_ip=10.0.0.2") {
			d = 1
		}
		if strings.Contains(name, label.TargetToInitiator) {
			d = 1 - d
		}
		sum[d] += int64(n)
	}
	return sum
}

// TestObserversTogether proves that of captures which see connections from their
// beginning, and whose records arrive, exactly what the reference says counts,
// series by series, however often flows end and come back: with any labels, ports,
// tunnels and bounds.
func TestObserversTogether(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const length = 200
		cfg, view := drawView(r, "the")
		cfg.ConnectionTimeout = 20 * time.Second
		drawBounds(r, &cfg)
		oneNode := rapid.Bool().Draw(r, "one node")
		all := []*crossing{drawCrossing(r, 0, crossingOptions{oneNode: oneNode, maxSkew: 400}, length), drawCrossing(r, 1, crossingOptions{oneNode: oneNode}, length)}
		cs := newCrossings(t, cfg, all)
		cs.play(length, &delivery{}, func(int) {})
		cs.tick() // what a connection carries over that was ending
		checkBounds(r, cs.Aggregator)
		want, got := judged(cfg, cs.want.Conversations(view, cfg.scope() == byTuple)), judged(cfg, cs.receiver.increases())
		if swaps(all) {
			want, got = grouped(want, nil), grouped(got, nil)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatalf("against the reference (-want +got):\n%s", diff)
		}
		passed := uint64(0)
		for _, c := range all {
			if c.tunnel == "" || cfg.Tunnels == "" || cfg.Tunnels == TunnelsBoth || c.tunnel == cfg.Tunnels {
				passed += uint64(c.passed[0] + c.passed[1])
			}
		}
		if n := grouped(got, nil)["bytes{}"]; n != passed && (oneNode || cfg.scope() == byTuple) {
			r.Errorf("%d bytes counted, %d passed", n, passed)
		}
	})
}

// swaps reports whether flows of a connection can have different orientations, so
// that the reference does not know which series they are counted in.
func swaps(all []*crossing) bool {
	for _, c := range all {
		if c.uuids > len(c.watchers) {
			return true
		}
	}
	return false
}

// TestObserversComeAndGo proves that what counts is never more than what passed,
// nor less than what any capture alone reported, whichever comes late, stops early or
// loses records, however late they arrive; and that it is all that passed once a
// capture that saw all of it has reported. It is not more if an agent's clock is set.
func TestObserversComeAndGo(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const length = 200
		o := crossingOptions{
			oneNode: rapid.Bool().Draw(r, "one node"), late: rapid.Bool().Draw(r, "late"), loss: rapid.Bool().Draw(r, "loss"),
			complete: rapid.Bool().Draw(r, "complete"), maxSkew: rapid.SampledFrom([]int64{400, 8000}).Draw(r, "skew at most"),
			apart: rapid.Bool().Draw(r, "apart"), paired: rapid.Bool().Draw(r, "paired"),
		}
		all := []*crossing{drawCrossing(r, 0, o, length), drawCrossing(r, 1, o, length)}
		cs := newCrossings(t, crossingConfig(!o.oneNode), all)
		// The clock of an agent may be set once, by so much that it is noticed.
		set, by := rapid.IntRange(0, 2*length).Draw(r, "clock set at"), rapid.SampledFrom([]int64{-3_600_000, -400_000, 400_000, 3_600_000}).Draw(r, "by")
		d := drawDelivery(r)
		if set < length {
			d.cutOff = 0 // what arrives late while a clock is set does not show by how much
		}
		cs.play(length, d, func(s int) {
			if s != set || set >= length {
				return
			}
			for _, c := range all {
				c.setClock(all[0].watchers[0].node, by)
			}
		})
		least := cs.want.Conversations(reference.View{Labels: withoutNode()}, !o.oneNode)
		for _, c := range all {
			got, least := cs.exported(c), c.in(least)
			for d := range got {
				switch {
				case got[d] > c.passed[d]:
					r.Errorf("connection %d: counted %d, only %d passed", c.id, got, c.passed)
				case set < length:
					// Of what a flow had carried before its first record that arrived, less counts.
				case got[d] < least[d]:
					r.Errorf("connection %d: counted %d, one capture alone reported %d", c.id, got, least)
				case o.complete && got[d] != c.passed[d]:
					r.Errorf("connection %d: counted %d of %d that a capture saw", c.id, got, c.passed)
				}
			}
		}
	})
}
