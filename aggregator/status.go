// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// Status is how full the aggregator is, and what its bounds fold.
type Status struct {
	// Connections that have series of their own, and the series of all connections,
	// against their bounds, of which 0 is none.
	Connections, TopK int
	Series, MaxSeries int
	MaxSeriesPerNode  int
	Flows, MaxFlows   int
	// StateBytes is what the state takes on disk.
	StateBytes int
	// Overflow is by bound, in the order of precedence.
	Overflow []Overflow
	Labels   []LabelValues // those of [Aggregator.Census]
	Nodes    []NodeSeries  // the nodes with the most series, at most ten
}

// Overflow is what a bound folds.
type Overflow struct {
	// Reason is "max_series", "max_series_per_node" or "top_k".
	Reason string
	// Bytes were counted in the overflow since the process began.
	Bytes uint64
	// Connections is about how many connections these were in the last 5 to 10 minutes.
	Connections int
}

// Series returns how many series there are now.
func (a *Aggregator) Series() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.connections.series
}

// Status returns how full the aggregator is. Now and then it looks at all connections
// for it; see [Aggregator.Census].
func (a *Aggregator) Status() Status {
	labels, nodes := a.Census(), a.busyNodes()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{
		Connections: a.connections.own, TopK: a.cfg.TopK,
		Series: a.connections.series, MaxSeries: a.cfg.MaxSeries, MaxSeriesPerNode: a.cfg.MaxSeriesPerNode,
		Flows: a.baselines.records.used, MaxFlows: a.cfg.MaxFlows,
		StateBytes: a.stateBytes(),
		Labels:     labels, Nodes: nodes,
	}
	for reason := foldMaxSeries; reason < foldEnd; reason++ {
		s.Overflow = append(s.Overflow, Overflow{reason.String(), a.folds.reasons[reason].bytes, a.folds.connections(reason)})
	}
	return s
}
