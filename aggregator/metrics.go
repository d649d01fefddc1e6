// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/meter"
)

// Why a record was skipped.
const (
	skippedNoTransport = "no_transport"   // no connection: ICMP, ARP, neighbour discovery …
	skippedMalformed   = "malformed_flow" // no UUID, or a negative total
	skippedTooLong     = "text_too_long"  // a name or address above 256 bytes
	skippedImplausible = "implausible"    // an increase beyond 2^52
	skipOrigins        = "source_limit"   // more pairs of node and capture than are kept
	skippedCaptures    = "capture_limit"  // more captures than are kept
)

// Why a baseline was evicted.
const (
	evictRetention = "retention" // unseen for flow_retention
	evictEnded     = "ended"     // some time after its end record
	evictBound     = "max_flows"
)

// What a name is of.
const (
	nameNode    = "node"
	nameAddress = "address"
)

type metrics struct {
	skippedBytes    prometheus.Counter
	skipped         map[string]prometheus.Counter // by reason
	staleUpdates    prometheus.Counter
	evicted         *prometheus.CounterVec
	filteredBytes   *prometheus.CounterVec
	history         [historyReasons]prometheus.Counter
	agentClockSteps prometheus.Counter
	droppedGauges   [gaugeCount]prometheus.Counter

	changedValues    prometheus.Counter
	evictedListeners prometheus.Counter
	evictedNames     *prometheus.CounterVec
	duplicateBytes   prometheus.Counter
	observersRefused prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, skipped *prometheus.CounterVec, a *Aggregator) *metrics {
	m := &metrics{skipped: map[string]prometheus.Counter{}}
	on := meter.On(reg)
	for i, g := range gaugeTable() {
		m.droppedGauges[i] = on.Counter(g.dropped, g.droppedHelp)
	}
	m.staleUpdates = on.Counter("skybridge_stale_updates_total", "Out-of-order updates: a newer one of the same flow was already counted. They add nothing.")
	m.evicted = on.Counters("skybridge_flows_evicted_total", "Flows evicted, by reason: not reported for flow_retention, ended, or max_flows reached.", "reason")
	m.filteredBytes = on.Counters("skybridge_filtered_bytes_total", "Bytes of excluded flows, by filter (classes for aggregation.exclude_classes and so on, tunnels for aggregation.tunnels) and matching value. For tunnels, the value is outer for carrying flows and inner for carried ones.", "filter", "value")
	history := on.Counters("skybridge_history_bytes_total", "Bytes from before a flow's first sight, which do not count, by reason: the flow began before the epoch (before_epoch); it may have been counted before an eviction, so this is an upper bound of the loss (after_eviction); or too many records were held because an agent's clock may have been set back (undecided).", "reason")
	for reason := range historyReasons {
		m.history[reason] = history.WithLabelValues(reason.String())
	}
	m.agentClockSteps = on.Counter("skybridge_agent_clock_steps_total", "Times that the clock of a node's agent was set back.")
	m.changedValues = on.Counter("skybridge_label_values_cut_total", "Label values of records and interfaces that were truncated to 256 bytes, with a hash at the end, or had invalid UTF-8 replaced.")
	m.evictedListeners = on.Counter("skybridge_listeners_forgotten_total", "Addresses and ports of servers that were evicted because there are too many.")
	m.evictedNames = on.Counters("skybridge_topology_names_evicted_total", "Names evicted because topology.cache_size was reached, by kind.", "what")
	m.duplicateBytes = on.Counter("skybridge_duplicate_bytes_total", "Bytes not counted because another capture of the same connection had reported them: on the same node, or with observers: one on any node.")
	m.observersRefused = on.Counter("skybridge_observers_refused_total", "Records of connections with too many captures or flows. Further captures do not count; further flows count separately.")
	m.skippedBytes = on.Counters("skybridge_skipped_bytes_total", "Bytes of skipped flows without ports, as the sum of their last updates, by the reason in skybridge_records_skipped_total.", "reason").WithLabelValues(skippedNoTransport)
	// Every reason exists from the start, so that an alert on its increase sees
	// the first one.
	for _, reason := range []string{skippedNoTransport, skippedMalformed, skippedTooLong, skippedImplausible, skipOrigins, skippedCaptures} {
		m.skipped[reason] = skipped.WithLabelValues(reason)
	}
	for _, reason := range []string{evictRetention, evictEnded, evictBound} {
		m.evicted.WithLabelValues(reason)
	}
	for _, what := range []string{nameNode, nameAddress} {
		m.evictedNames.WithLabelValues(what)
	}
	for _, class := range label.Classes() {
		m.filteredBytes.WithLabelValues(filterClasses, string(class))
	}
	for _, value := range []string{tunnelInner, tunnelOuter} {
		m.filteredBytes.WithLabelValues(filterTunnels, value)
	}
	registerGauges(reg, a)
	return m
}

// registerGauges registers what is read from the aggregator at each scrape.
func registerGauges(reg prometheus.Registerer, a *Aggregator) {
	locked := func(read func() int) func() float64 {
		return func() float64 {
			a.mu.Lock()
			defer a.mu.Unlock()
			return float64(read())
		}
	}
	on := meter.On(reg)
	gauge := func(name, help string, labels prometheus.Labels, read func() int) {
		on.GaugeOf(locked(read), name, help, labels)
	}
	counter := func(name, help string, labels prometheus.Labels, read func() int) {
		on.CounterOf(locked(read), name, help, labels)
	}
	gauge("skybridge_series", "Live series of connections.", nil, func() int { return a.connections.series })
	gauge("skybridge_series_limit", "Limit of skybridge_series: aggregation.max_series.", nil, func() int { return a.cfg.MaxSeries })
	gauge("skybridge_listeners", "Addresses and ports that answered as servers, for aggregation.ports: service.", nil, func() int { return a.listeners.Len() })
	const names = "Known names, by kind."
	gauge("skybridge_topology_names", names, prometheus.Labels{"what": nameNode}, func() int { nodes, _ := a.names.Len(); return nodes })
	gauge("skybridge_topology_names", names, prometheus.Labels{"what": nameAddress}, func() int { _, addresses := a.names.Len(); return addresses })
	gauge("skybridge_flows", "Flows with a baseline.", nil, func() int { return a.baselines.records.used })
	gauge("skybridge_records_held", "Records held until it is known whether their agent's clock was set back.", nil, func() int { return a.held })
	gauge("skybridge_records_held_limit", "Limit of skybridge_records_held.", nil, func() int { return maxHeld })
	gauge("skybridge_shared_connections", "Connections that several captures see, counted once.", nil, func() int { return a.shared.records.used })
	gauge("skybridge_flows_limit", "Limit of skybridge_flows: aggregation.max_flows.", nil, func() int { return a.cfg.MaxFlows })
	for reason := overflowMaxSeries; reason < overflowReasons; reason++ {
		labels := prometheus.Labels{"reason": reason.String()}
		counter("skybridge_overflow_bytes_total", "Bytes counted in the overflow series, by the limit that was reached.", labels,
			func() int { return int(a.overflowed.reasons[reason].bytes) })
		gauge("skybridge_overflow_connections", "Estimated number of connections counted in the overflow series in the last 5 to 10 minutes, by the limit that was reached.", labels,
			func() int { return a.overflowed.connections(reason) })
	}
	gauge("skybridge_connections", "Connections with their own series.", nil, func() int { return a.connections.own })
	gauge("skybridge_connections_limit", "Limit of skybridge_connections: aggregation.top_k. 0 is none.", nil, func() int { return a.cfg.TopK })
	gauge("skybridge_node_series_limit", "Limit of series per node: aggregation.max_series_per_node. 0 is none.", nil, func() int { return a.cfg.MaxSeriesPerNode })
	counter("skybridge_top_k_changes_total", "Connections that lost their series to busier ones.", nil, func() int { return int(a.demotions) })
	reg.MustRegister(&labelCollector{
		stats:  a.LabelStats,
		values: prometheus.NewDesc("skybridge_label_values", "Estimated number of values of a label among the connections with their own series, up to a minute old.", []string{"label"}, nil),
		series: prometheus.NewDesc("skybridge_series_without_label", "Estimated number of series without the label in aggregation.labels, up to a minute old.", []string{"label"}, nil),
	})
}
