// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// Status is how full the aggregator is, and what is in the overflow.
type Status struct {
	// Connections that have series of their own, and the series of all connections, with
	// their bounds; a bound of 0 is none.
	Connections, TopK int
	Series, MaxSeries int
	MaxSeriesPerNode  int
	Flows, MaxFlows   int
	// Overflow is by bound, in the order of precedence.
	Overflow []Overflow
	Labels   []LabelValues // see [Aggregator.LabelStats]
	Nodes    []NodeSeries  // the nodes with the most series, at most ten
}

// Overflow is what a bound has put into the overflow.
type Overflow struct {
	// Reason is "max_series", "max_series_per_node" or "top_k".
	Reason string
	// Bytes were counted in the overflow since the process began.
	Bytes uint64
	// Connections is about how many connections that was in the last 5 to 10 minutes.
	Connections int
}

// Series returns how many series there are now.
func (a *Aggregator) Series() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.connections.series
}

// Status returns how full the aggregator is. Up to once a minute it visits all connections;
// see [Aggregator.LabelStats].
func (a *Aggregator) Status() Status {
	labels, nodes := a.LabelStats(), a.busyNodes()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{
		Connections: a.connections.own, TopK: a.cfg.TopK,
		Series: a.connections.series, MaxSeries: a.cfg.MaxSeries, MaxSeriesPerNode: a.cfg.MaxSeriesPerNode,
		Flows: a.baselines.records.used, MaxFlows: a.cfg.MaxFlows,
		Labels: labels, Nodes: nodes,
	}
	for reason := overflowMaxSeries; reason < overflowReasons; reason++ {
		s.Overflow = append(s.Overflow, Overflow{reason.String(), a.overflowed.reasons[reason].bytes, a.overflowed.connections(reason)})
	}
	return s
}
