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

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/reference"
)

// withoutNode are the default labels but node_tid.
func withoutNode() (labels []string) {
	for _, l := range DefaultLabels() {
		if l != labelNodeTID {
			labels = append(labels, l)
		}
	}
	return labels
}

// crossings is a world with connections that several captures see.
type crossings struct {
	*world
	all  []*crossing
	want *reference.Conversations
}

// crossingConfig counts them once: on a node, or anywhere.
func crossingConfig(one bool) Config {
	cfg := Config{Labels: withoutNode(), ConnectionTimeout: 20 * time.Second}
	if one {
		cfg.Observers = ObserversOne
	}
	return cfg
}

// newCrossings begins it: every capture has an epoch before anything passes.
func newCrossings(t *testing.T, one bool, all []*crossing) *crossings {
	cs := &crossings{world: newWorld(t, crossingConfig(one)), all: all, want: reference.NewConversations(one)}
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

func (cs *crossings) play(length int) {
	for s := range length {
		cs.pass(time.Second)
		for _, c := range cs.all {
			for _, f := range c.second(s, cs.time.UnixMilli()) {
				cs.report(f)
			}
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
func (w *world) exported(c *crossing) (sum [2]int64) {
	for name, n := range w.ledger.increases() {
		if !strings.HasPrefix(name, "bytes") || !strings.Contains(name, fmt.Sprintf("_port=%d", 4000+c.id)) {
			continue
		}
		d := 0
		if strings.Contains(name, "initiator_ip=10.0.0.2") {
			d = 1
		}
		if strings.Contains(name, DirectionTargetToInitiator) {
			d = 1 - d
		}
		sum[d] += int64(n)
	}
	return sum
}

// TestObserversTogether proves that of captures which see connections from their
// beginning, and whose records arrive, exactly what the reference says counts,
// series by series, however often flows end and come back.
func TestObserversTogether(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const length = 200
		oneNode := rapid.Bool().Draw(r, "one node")
		all := []*crossing{drawCrossing(r, 0, crossingOptions{oneNode: oneNode, maxSkew: 400}, length), drawCrossing(r, 1, crossingOptions{oneNode: oneNode}, length)}
		cs := newCrossings(t, !oneNode, all)
		cs.play(length)
		for _, c := range all {
			if got := cs.exported(c); got != c.passed {
				r.Errorf("connection %d: counted %d, %d passed\n%s", c.id, got, c.passed, cs.ledger)
			}
		}
		if diff := cmp.Diff(conversationTotals(cs.want, cs.labels, cs.connections.layout), cs.ledger.increases()); diff != "" && !swaps(all) {
			r.Errorf("against the reference (-want +got):\n%s", diff)
		}
	})
}

// swaps says whether flows of a connection can have different orientations, so
// that the reference cannot tell which series they are counted in.
func swaps(all []*crossing) bool {
	for _, c := range all {
		if c.uuids > len(c.watchers) {
			return true
		}
	}
	return false
}

// TestObserversComeAndGo proves that what counts is never more than what passed,
// nor less than what any capture alone reported, whoever comes late, goes early or
// loses records; and that it is all that passed once a capture that saw all of it
// has reported.
func TestObserversComeAndGo(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const length = 200
		o := crossingOptions{
			oneNode: rapid.Bool().Draw(r, "one node"), late: rapid.Bool().Draw(r, "late"), loss: rapid.Bool().Draw(r, "loss"),
			complete: rapid.Bool().Draw(r, "complete"), maxSkew: 400, apart: rapid.Bool().Draw(r, "apart"),
		}
		all := []*crossing{drawCrossing(r, 0, o, length), drawCrossing(r, 1, o, length)}
		cs := newCrossings(t, !o.oneNode, all)
		cs.play(length)
		least := map[int][2]int64{}
		for s, n := range cs.want.Totals() {
			var id int
			port := s.InitiatorPort
			d := 0
			if s.InitiatorIP == "10.0.0.2" {
				port, d = s.TargetPort, 1
			}
			if s.Direction == DirectionTargetToInitiator {
				d = 1 - d
			}
			if _, err := fmt.Sscan(port, &id); err != nil {
				r.Fatal(err)
			}
			if s.Metric == reference.BytesMetric {
				sums := least[id-4000]
				sums[d] += int64(n)
				least[id-4000] = sums
			}
		}
		for _, c := range all {
			got := cs.exported(c)
			for d := range got {
				switch {
				case got[d] > c.passed[d]:
					r.Errorf("connection %d: counted %d, only %d passed", c.id, got, c.passed)
				case got[d] < least[c.id][d]:
					r.Errorf("connection %d: counted %d, one capture alone reported %d", c.id, got, least[c.id])
				case o.complete && got[d] != c.passed[d]:
					r.Errorf("connection %d: counted %d of %d that a capture saw", c.id, got, c.passed)
				}
			}
		}
	})
}

// conversationTotals returns the reference's totals under the ledger's names.
func conversationTotals(c *reference.Conversations, l *labels, layout *Layout) map[string]uint64 {
	all := map[string]uint64{}
	for s, n := range c.Totals() {
		f := Flow{
			NetworkA: []byte(s.InitiatorIP), NetworkB: []byte(s.TargetIP),
			NodeTID: []byte(s.NodeTID), TransportProtocol: []byte(s.Protocol),
		}
		_, _ = fmt.Sscan(s.InitiatorPort, &f.TransportA)
		_, _ = fmt.Sscan(s.TargetPort, &f.TransportB)
		name, direction := "bytes", 0
		if s.Metric == reference.PacketsMetric {
			name = "packets"
		}
		if s.Direction == DirectionTargetToInitiator {
			direction = 1
		}
		all[name+labelText(Row{Layout: layout, Values: string(l.appendValues(nil, &f))}, direction)] += n
	}
	return all
}
