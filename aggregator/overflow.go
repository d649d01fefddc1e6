// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/aggregator/sketch"
	"github.com/skydive-project/skybridge/input"
)

// overflowReason is the bound because of which traffic is counted in the overflow.
type overflowReason uint8

const (
	notOverflow overflowReason = iota
	overflowMaxSeries
	overflowPerNode
	overflowTopK
	overflowReasons
)

// String returns the bound's name, as metrics have it.
func (f overflowReason) String() string {
	return [...]string{"", "max_series", "max_series_per_node", "top_k"}[f]
}

// overflowSpan: connections of the last one to two spans of feed time are estimated as
// those in the overflow now. Live flows are reported once a minute by default.
const overflowSpan = 5 * time.Minute

// overflowStats has what is counted in the overflow, by reason.
type overflowStats struct {
	reasons [overflowReasons]struct {
		bytes       uint64 // since the process began
		now, before sketch.HyperLogLog
	}
	rotated time.Duration // feed time at which now began
}

func newOverflowStats() *overflowStats { return &overflowStats{} }

// valuesID identifies a connection whose label values are not kept: a hash, by the key of the
// conversations' so that no sender can make two collide.
func (a *Aggregator) valuesID(values []byte) uint64 {
	a.hashed = append(append(a.hashed[:0], a.conversationKey[:]...), values...)
	sum := sha256.Sum256(a.hashed)
	return binary.LittleEndian.Uint64(sum[:])
}

// rotate ends a span.
func (f *overflowStats) rotate(feedNow time.Duration) {
	if feedNow-f.rotated < overflowSpan {
		return
	}
	f.rotated = feedNow
	for i := range f.reasons {
		r := &f.reasons[i]
		r.before, r.now = r.now, sketch.HyperLogLog{}
	}
}

// connections estimates how many connections are in the overflow for a reason now.
func (f *overflowStats) connections(reason overflowReason) int {
	r := &f.reasons[reason]
	return r.now.Estimate(&r.before)
}

// find returns the connection of a flow, usually the one in the flow's baseline.
func (a *Aggregator) find(f *input.Flow, b *baseline) (i uint32, ok bool) {
	a.key = a.labels.Append(a.key[:0], f)
	if i = b.connection - 1; b.connection != 0 && a.connections.is(i, a.key) {
		return i, true
	}
	if i = a.connections.find(a.key); i == none {
		return none, false
	}
	b.connection = i + 1
	return i, true
}

// findOrAdd returns the connection that counts a flow's traffic: its own, which is i where
// found, or the overflow and the bound that was reached. n is the node that reports it.
func (a *Aggregator) findOrAdd(i uint32, found bool, f *input.Flow, n *node, bytes uint64) (uint32, overflowReason) {
	demoted, returns, own := false, false, a.connections.own
	if found {
		c := a.connections.records.at(i)
		if c.phase != ended && !c.demoted {
			return i, notOverflow
		}
		if demoted, returns = c.demoted, c.phase == ended; c.node != nil {
			n = c.node
		}
		if c.own {
			own-- // it is itself among them until it is removed
		}
	}
	fit := a.freeConnections()
	if returns {
		fit++
	}
	id := uint64(0) // needed with top_k or where a bound is reached
	reason := notOverflow
	if !returns { // else its series still count
		reason = a.boundReached(n)
	}
	if a.top != nil || reason != notOverflow {
		id = a.valuesID(a.key)
	}
	switch {
	case demoted:
		reason = overflowTopK
	case reason == notOverflow && a.top != nil && !a.top.mayHaveSeries(own, fit, id):
		reason = overflowTopK
	}
	if reason != notOverflow {
		a.overflowed.reasons[reason].now.Add(id)
		// A node at its bound cannot get a series for a busy connection either.
		if a.top != nil && reason != overflowPerNode {
			a.top.others.Add(id, bytes)
		}
		return a.overflow(f), reason
	}
	if !found {
		i = a.connections.add(a.key, false, n, a.lastTick)
	}
	if a.top != nil {
		a.top.admit(i, id)
	}
	return i, notOverflow
}

// boundReached returns the bound on series that a further connection of a node would pass.
//
// With a bound for each node, the last eighth of max_series is reserved for nodes that have
// less than an even share, counting one share for a new node. Otherwise many nodes, each
// within its bound, could leave nothing for a quiet one.
func (a *Aggregator) boundReached(n *node) overflowReason {
	need := 2 * a.connections.layout.Directions()
	limit, series := a.cfg.MaxSeries, a.connections.series+need
	if limit > 0 && series > limit {
		a.warnings.log("max_series", "aggregation.max_series is reached: new connections are counted in the overflow, labelled "+label.Overflow, "limit", limit)
		return overflowMaxSeries
	}
	perNode := a.cfg.MaxSeriesPerNode
	if perNode == 0 {
		return notOverflow
	}
	if n.series+need <= perNode {
		if limit == 0 || series <= limit-limit/8 || n.series+need <= limit/(a.origins.nodes.busy+1) {
			return notOverflow
		}
	}
	a.warnings.log("max_series_per_node", "a node has as many series as it may: its new connections are counted in the overflow, labelled "+label.Overflow,
		"node_tid", n.tid, "series", n.series, "aggregation.max_series_per_node", perNode)
	return overflowPerNode
}

// freeConnections is about how many more connections max_series allows.
func (a *Aggregator) freeConnections() int {
	limit := a.cfg.MaxSeries
	if limit == 0 {
		return a.cfg.TopK
	}
	return max(0, limit-a.connections.series) / (2 * a.connections.layout.Directions())
}

// overflow returns the overflow connection of a flow.
func (a *Aggregator) overflow(f *input.Flow) uint32 {
	a.key = a.connections.layout.AppendOverflow(a.key[:0], f)
	i := a.connections.find(a.key)
	if i == none {
		i = a.connections.add(a.key, true, nil, a.lastTick)
	}
	return i
}

// setGauges records the values of gauges, except those whose series would pass a bound. The
// overflow has none, for it mixes unrelated connections.
func (a *Aggregator) setGauges(c *connection, values *Gauges) {
	if c.overflow || c.phase == ended || c.phase == closing {
		return
	}
	for gauge, value := range values {
		if value == 0 {
			continue
		}
		if c.gauges[gauge] == 0 {
			limit, perNode := a.cfg.MaxSeries, a.cfg.MaxSeriesPerNode
			if limit > 0 && a.connections.series+1 > limit || perNode > 0 && c.node != nil && c.node.series+1 > perNode {
				a.metrics.droppedGauges[gauge].Inc()
				continue
			}
		}
		a.connections.setGauge(c, gauge, value)
	}
}
