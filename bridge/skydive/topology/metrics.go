// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
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
	evicted  *prometheus.CounterVec // what
	unknown  *prometheus.CounterVec // what
	ifaces   prometheus.Gauge
	cut      prometheus.Counter
}

// newMetrics registers the metrics; nodes and addresses count the names that are known.
func newMetrics(reg prometheus.Registerer, nodes, addresses func() int) *metrics {
	auto := promauto.With(reg)
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		requests: vec("skybridge_topology_requests_total", "Topology queries to the analyzer, by result.", "analyzer", "result"),
		skipped:  vec("skybridge_topology_nodes_skipped_total", "Nodes of the topology skipped at each refresh, by reason: malformed, or beyond topology.cache_size.", "reason"),
		evicted:  vec("skybridge_topology_names_evicted_total", "Names evicted or not added because topology.cache_size was reached, by kind.", "what"),
		unknown:  vec("skybridge_topology_names_unknown_total", "Nodes and addresses without a name. Each counts once, until many others follow.", "what"),
		last: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "skybridge_topology_last_success_timestamp_seconds",
			Help: "Time of the analyzer's last successful topology answer, in seconds since the epoch.",
		}, []string{"analyzer"}),
		ifaces: auto.NewGauge(prometheus.GaugeOpts{
			Name: "skybridge_topology_interfaces",
			Help: "Network interfaces in the topology. Each has eleven series.",
		}),
		cut: auto.NewCounter(prometheus.CounterOpts{
			Name: "skybridge_topology_addresses_cut_total",
			Help: "Addresses left out at each refresh: beyond their interface's label of 1,024 bytes, the 256 of each kind per node, or topology.cache_size.",
		}),
	}
	for what, count := range map[string]func() int{nameNode: nodes, nameAddress: addresses} {
		auto.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "skybridge_topology_names", Help: "Known names, by kind.", ConstLabels: prometheus.Labels{"what": what},
		}, func() float64 { return float64(count()) })
	}
	for _, reason := range []string{nodeMalformed, nodeLimit} {
		m.skipped.WithLabelValues(reason)
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
