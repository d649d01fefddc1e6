// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// find looks up the connection of a flow. As a rule it is the one that the flow was
// part of before, which the flow's baseline knows.
func (a *Aggregator) find(f *Flow, b *baseline) (i uint32, ok bool) {
	a.key = a.labels.appendValues(a.key[:0], f)
	if i = b.connection - 1; b.connection != 0 && a.connections.is(i, a.key) {
		return i, true
	}
	if i = a.connections.find(a.key); i == none {
		return none, false
	}
	b.connection = i + 1
	return i, true
}

// place returns the connection that counts a flow's traffic: its own, which is i
// where found, or the overflow where a bound has no room for one, and which bound. n
// is the node that reports it, bytes how much it is.
func (a *Aggregator) place(i uint32, found bool, f *Flow, n *node, bytes uint64) (uint32, fold) {
	demoted := false
	if found {
		c := a.connections.records.at(i)
		if c.phase != ended && !c.demoted {
			return i, kept // it lives
		}
		if demoted = c.demoted; c.node != nil {
			n = c.node
		}
	}
	id := uint64(0) // of use where it is folded, or may be
	reason := a.room(n)
	if a.top != nil || reason != kept {
		id = a.folds.id(a.key)
	}
	switch {
	case demoted:
		reason = foldTopK
	case reason == kept && a.top != nil && !a.top.entitled(a.connections.own, a.fit(), id):
		reason = foldTopK
	}
	if reason != kept {
		a.folds.reasons[reason].now.add(id)
		// A node at its bound has no room for its busiest one either.
		if a.top != nil && reason != foldPerNode {
			a.top.others.add(id, bytes)
		}
		return a.overflow(f), reason
	}
	if !found {
		i = a.connections.add(a.key, false, n, a.lastTick)
	} // else it returns
	if a.top != nil {
		a.top.begin(i, id)
	}
	return i, kept
}

// room says which bound on series has no room for one more connection of a node.
//
// Where there is a bound for each node, the last eighth of max_series is for nodes
// that have less than an even share, of which one is for a node to come: else many
// noisy nodes, each within its bound, could leave nothing for a quiet one.
func (a *Aggregator) room(n *node) fold {
	need := 2 * a.connections.layout.directions()
	limit, series := a.cfg.MaxSeries, a.connections.series+need
	if limit > 0 && series > limit {
		a.notices.say("max_series", "aggregation.max_series is reached: new connections are counted in the overflow, labelled "+overflowValue, "limit", limit)
		return foldMaxSeries
	}
	perNode := a.cfg.MaxSeriesPerNode
	if perNode == 0 {
		return kept
	}
	if n.series+need <= perNode {
		if limit == 0 || series <= limit-limit/8 || n.series+need <= limit/(a.sources.nodes.busy+1) {
			return kept
		}
	}
	a.notices.say("max_series_per_node", "a node has as many series as it may: its new connections are counted in the overflow, labelled "+overflowValue,
		"node_tid", n.tid, "series", n.series, "aggregation.max_series_per_node", perNode)
	return foldPerNode
}

// fit is about how many more connections max_series has room for.
func (a *Aggregator) fit() int {
	limit := a.cfg.MaxSeries
	if limit == 0 {
		return a.cfg.TopK
	}
	return max(0, limit-a.connections.series) / (2 * a.connections.layout.directions())
}

// overflow returns the connection that takes the traffic of flows for which
// there is no room.
func (a *Aggregator) overflow(f *Flow) uint32 {
	a.key = a.connections.layout.appendOverflow(a.key[:0], f)
	i := a.connections.find(a.key)
	if i == none {
		i = a.connections.add(a.key, true, nil, a.lastTick)
	}
	return i
}

// setGauges records the values of gauges, but for those whose series would pass a bound.
// The overflow has none: it would mix connections that have nothing in common.
func (a *Aggregator) setGauges(i uint32, values *Gauges) {
	c := a.connections.records.at(i)
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
		a.connections.setGauge(i, gauge, value)
	}
}
