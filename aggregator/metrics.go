// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "github.com/prometheus/client_golang/prometheus"

// Why a record was skipped.
const (
	skipNoTransport = "no_transport"   // no connection: ICMP, ARP, neighbour discovery …
	skipMalformed   = "malformed_flow" // no UUID, or a negative total
	skipTooLong     = "text_too_long"  // a name or address above 256 bytes
	skipImplausible = "implausible"    // an increase beyond 2^52
	skipSources     = "source_limit"   // more pairs of node and capture than are kept
	skipCaptures    = "capture_limit"  // more captures than are kept
)

// Why a baseline was evicted.
const (
	evictRetention = "retention" // unseen for flow_retention
	evictEnded     = "ended"     // its end record is past
	evictBound     = "max_flows"
)

type metrics struct {
	skippedBytes  prometheus.Counter
	skipped       map[string]prometheus.Counter // by reason
	staleUpdates  prometheus.Counter
	evicted       *prometheus.CounterVec
	filteredBytes *prometheus.CounterVec
	history       [historyEnd]prometheus.Counter
	agentSteps    prometheus.Counter
	droppedGauges [gaugeCount]prometheus.Counter

	changedValues      prometheus.Counter
	forgottenListeners prometheus.Counter
	duplicateBytes     prometheus.Counter
	observersRefused   prometheus.Counter

	stateTroubles  prometheus.Counter
	stateDoubts    prometheus.Counter
	stateSnapshots prometheus.Counter
	stateCutBytes  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, skipped *prometheus.CounterVec, a *Aggregator) *metrics {
	m := &metrics{
		skipped: map[string]prometheus.Counter{},
		staleUpdates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "skybridge_stale_updates_total",
			Help: "Updates that a newer one of the same flow had overtaken; they add nothing.",
		}),
		evicted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skybridge_flows_evicted_total",
			Help: "Flows forgotten: unseen for flow_retention, ended, or because max_flows was reached.",
		}, []string{"reason"}),
		filteredBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skybridge_filtered_bytes_total",
			Help: "Bytes of flows that are kept out, by filter (classes for aggregation.exclude_classes and so on, tunnels for aggregation.tunnels) and the value that does; of a tunnel, whether the flow carried others (outer) or was carried (inner).",
		}, []string{"filter", "value"}),
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	for i, g := range gaugeTable() {
		m.droppedGauges[i] = counter(g.dropped, g.droppedHelp)
	}
	history := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "skybridge_history_bytes_total",
		Help: "Bytes that flows had carried when they were first seen and that do not count: the flow began before the epoch (before_epoch), or may have counted before it was evicted, an upper bound of what is missing (after_eviction), or there were too many records while it was unclear whether an agent's clock was set back (undecided).",
	}, []string{"reason"})
	reg.MustRegister(history)
	for reason := range historyEnd {
		m.history[reason] = history.WithLabelValues(reason.String())
	}
	m.agentSteps = counter("skybridge_agent_clock_steps_total", "Times that the clock of a node's agent was seen to be set back.")
	m.changedValues = counter("skybridge_label_values_cut_total", "Label values of records and interfaces that did not fit as they were: cut to 256 bytes with a hash of the whole at the end, or with what is no UTF-8 replaced.")
	m.forgottenListeners = counter("skybridge_listeners_forgotten_total", "Addresses with a port that were seen to answer and were forgotten because there are too many.")
	m.duplicateBytes = counter("skybridge_duplicate_bytes_total", "Bytes that do not count because another capture of the same connection had reported them: on the same node, or with observers: one anywhere.")
	m.observersRefused = counter("skybridge_observers_refused_total", "Records of a connection that has more captures or flows than are told apart; of those captures nothing counts, such flows count on their own.")
	m.stateTroubles = counter("skybridge_state_troubles_total", "Times that the state could not be written and counting went on in memory.")
	m.stateDoubts = counter("skybridge_state_doubts_total", "Starts at which every counter began anew because the state was missing, damaged, or older than what was sent.")
	m.stateSnapshots = counter("skybridge_state_snapshots_total", "Snapshots of the state, each of which replaces the journal before it.")
	m.stateCutBytes = counter("skybridge_state_cut_bytes_total", "Bytes at the end of the journal that a crash had left torn; no sample held what was in them.")
	skippedBytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "skybridge_skipped_bytes_total",
		Help: "Bytes of flows without ports that do not count, by the reason in skybridge_records_skipped_total: what their updates say came since the one before.",
	}, []string{"reason"})
	reg.MustRegister(skippedBytes)
	m.skippedBytes = skippedBytes.WithLabelValues(skipNoTransport)
	// Every reason is there from the start, so that an alert on its increase sees
	// the first one.
	for _, reason := range []string{skipNoTransport, skipMalformed, skipTooLong, skipImplausible, skipSources, skipCaptures} {
		m.skipped[reason] = skipped.WithLabelValues(reason)
	}
	for _, reason := range []string{evictRetention, evictEnded, evictBound} {
		m.evicted.WithLabelValues(reason)
	}
	for _, class := range Classes() {
		m.filteredBytes.WithLabelValues(filterClasses, string(class))
	}
	for _, value := range []string{tunnelInner, tunnelOuter} {
		m.filteredBytes.WithLabelValues(filterTunnels, value)
	}
	gauge := func(name, help string, read func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			a.mu.Lock()
			defer a.mu.Unlock()
			return float64(read())
		})
	}
	reg.MustRegister(m.staleUpdates, m.evicted, m.filteredBytes,
		gauge("skybridge_series", "Series of connections that live now.", func() int { return a.connections.series }),
		gauge("skybridge_series_limit", "Bound on skybridge_series: aggregation.max_series.", func() int { return a.cfg.MaxSeries }),
		gauge("skybridge_listeners", "Addresses with a port that were seen to answer, for aggregation.ports: service.", func() int { return len(a.listeners.list) }),
		gauge("skybridge_flows", "Flows remembered.", func() int { return a.baselines.records.used }),
		gauge("skybridge_records_held", "Records held until it is clear whether their agent's clock was set back.", func() int { return a.held }),
		gauge("skybridge_records_held_limit", "Bound on skybridge_records_held.", func() int { return maxHeld }),
		gauge("skybridge_shared_connections", "Connections that several captures see and that count once.", func() int { return a.groups.records.used }),
		gauge("skybridge_state_bytes", "Bytes of the state on disk: the snapshot and the journal since.", a.stateBytes),
		gauge("skybridge_flows_limit", "Bound on skybridge_flows: aggregation.max_flows.", func() int { return a.cfg.MaxFlows }),
	)
	registerBounds(reg, a)
	return m
}

// registerBounds registers what the bounds on series do.
func registerBounds(reg prometheus.Registerer, a *Aggregator) {
	locked := func(read func() int) func() float64 {
		return func() float64 {
			a.mu.Lock()
			defer a.mu.Unlock()
			return float64(read())
		}
	}
	gauge := func(name, help string, labels prometheus.Labels, read func() int) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, locked(read)))
	}
	counter := func(name, help string, labels prometheus.Labels, read func() int) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, locked(read)))
	}
	for reason := foldMaxSeries; reason < foldEnd; reason++ {
		labels := prometheus.Labels{"reason": reason.String()}
		counter("skybridge_overflow_bytes_total", "Bytes counted in the overflow tuples, by the bound that was reached.", labels,
			func() int { return int(a.folds.reasons[reason].bytes) })
		gauge("skybridge_overflow_connections", "About how many connections were counted in the overflow tuples in the last 5 to 10 minutes, by the bound that was reached.", labels,
			func() int { return a.folds.connections(reason) })
	}
	gauge("skybridge_connections", "Connections that have series of their own.", nil, func() int { return a.connections.own })
	gauge("skybridge_connections_limit", "Bound on skybridge_connections: aggregation.top_k. 0 is none.", nil, func() int { return a.cfg.TopK })
	gauge("skybridge_node_series_limit", "Bound on the series of each node: aggregation.max_series_per_node. 0 is none.", nil, func() int { return a.cfg.MaxSeriesPerNode })
	counter("skybridge_top_k_changes_total", "Connections that lost their series to busier ones.", nil, func() int { return int(a.demotions) })
	reg.MustRegister(&labelCollector{
		census: a.Census,
		values: prometheus.NewDesc("skybridge_label_values", "About how many values a label has among the connections with series of their own; up to a minute old.", []string{"label"}, nil),
		series: prometheus.NewDesc("skybridge_series_without_label", "About how many series there would be if the label was not among aggregation.labels; up to a minute old.", []string{"label"}, nil),
	})
}
