// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/meter"
)

// Why a node of the topology does not count.
const (
	nodeMalformed = "malformed"  // fields of a wrong type, or no ID
	nodeLimit     = "cache_size" // there are too many
)

// What a name is of.
const (
	nameNode    = "node"
	nameAddress = "address"
)

type metrics struct {
	requests *prometheus.CounterVec // analyzer, result
	last     *prometheus.GaugeVec   // analyzer
	skipped  *prometheus.CounterVec // reason
	unknown  *prometheus.CounterVec // what
	ifaces   prometheus.Gauge
	cut      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	on := meter.On(reg)
	m := &metrics{
		requests: on.Counters("skybridge_topology_requests_total", "Topology queries to the analyzer, by result.", "analyzer", "result"),
		skipped:  on.Counters("skybridge_topology_nodes_skipped_total", "Nodes of the topology skipped at each refresh, by reason: malformed, or beyond topology.cache_size.", "reason"),
		unknown:  on.Counters("skybridge_topology_names_unknown_total", "Nodes and addresses without a name. Each counts once, until many others follow.", "what"),
		last:     on.Gauges("skybridge_topology_last_success_timestamp_seconds", "Time of the analyzer's last successful topology answer, in seconds since the epoch.", "analyzer"),
		ifaces:   on.Gauge("skybridge_topology_interfaces", "Network interfaces in the topology. Each has eleven series."),
		cut:      on.Counter("skybridge_topology_addresses_cut_total", "Addresses left out at each refresh: beyond their interface's label of 1,024 bytes, the 256 of each kind per node, or topology.cache_size."),
	}
	for _, reason := range []string{nodeMalformed, nodeLimit} {
		m.skipped.WithLabelValues(reason)
	}
	for _, what := range []string{nameNode, nameAddress} {
		m.unknown.WithLabelValues(what)
	}
	return m
}

// begin shows an analyzer's results from the start.
func (m *metrics) begin(analyzer string) {
	for _, r := range results() {
		m.requests.WithLabelValues(analyzer, string(r))
	}
}

// remove deletes the metrics of an analyzer that is not asked any more.
func (m *metrics) remove(analyzer string) {
	of := prometheus.Labels{"analyzer": analyzer}
	m.requests.DeletePartialMatch(of)
	m.last.DeletePartialMatch(of)
}
