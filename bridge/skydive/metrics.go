// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/meter"
)

// Values of the label reason of skybridge_records_skipped_total that this
// package counts.
const (
	skippedFlow     = "malformed_flow"
	skippedMessage  = "malformed_message"
	skippedOther    = "other_message" // of a namespace or type that means nothing here
	skippedTooLarge = "message_too_large"
)

type metrics struct {
	skipped *prometheus.CounterVec // shared with the aggregator

	lookups    prometheus.Counter
	updates    prometheus.Counter
	dropped    prometheus.Counter
	messages   *prometheus.CounterVec
	bytes      *prometheus.CounterVec
	reconnects *prometheus.CounterVec
	connected  *prometheus.GaugeVec
	last       *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer, skipped *prometheus.CounterVec, q *queue, missing func() int) *metrics {
	on := meter.On(reg)
	m := &metrics{
		skipped:    skipped,
		lookups:    on.Counter("skybridge_analyzer_lookup_failures_total", "Failed lookups of names in skydive.analyzers."),
		updates:    on.Counter("skybridge_updates_received_total", "Flow records decoded."),
		dropped:    on.Counter("skybridge_messages_shed_total", "Messages dropped because the queue of undecoded messages was full."),
		messages:   on.Counters("skybridge_messages_received_total", "Data messages from the analyzer, including dropped ones.", "analyzer"),
		bytes:      on.Counters("skybridge_message_bytes_received_total", "Bytes of data messages from the analyzer, including dropped ones.", "analyzer"),
		reconnects: on.Counters("skybridge_reconnects_total", "Reconnects to the analyzer, by the reason why the connection ended or the attempt failed.", "analyzer", "reason"),
		connected:  on.Gauges("skybridge_feed_connected", "Whether the bridge is subscribed to the analyzer.", "analyzer"),
		last:       on.Gauges("skybridge_feed_last_message_timestamp_seconds", "Time of the last data message from the analyzer, in seconds since the epoch.", "analyzer"),
	}
	on.GaugeOf(func() float64 { return float64(missing()) }, "skybridge_analyzers_not_subscribed", "Analyzers that exist, as peers of others or behind the same address, and are not subscribed to.", nil)
	on.GaugeOf(func() float64 { return float64(q.bytes.Load()) }, "skybridge_feed_queue_bytes", "Bytes of messages in the queue of undecoded messages.", nil)
	on.GaugeOf(func() float64 { return float64(len(q.messages)) }, "skybridge_feed_queue_messages", "Messages in the queue of undecoded messages.", nil)
	for _, r := range []string{skippedFlow, skippedMessage, skippedOther, skippedTooLarge} {
		skipped.WithLabelValues(r)
	}
	return m
}

// linkMetrics are those of one analyzer, looked up once.
type linkMetrics struct {
	messages, bytes prometheus.Counter
	connected, last prometheus.Gauge
	reconnects      map[reason]prometheus.Counter
}

func (m *metrics) link(name string) linkMetrics {
	l := linkMetrics{
		messages:   m.messages.WithLabelValues(name),
		bytes:      m.bytes.WithLabelValues(name),
		connected:  m.connected.WithLabelValues(name),
		last:       m.last.WithLabelValues(name),
		reconnects: map[reason]prometheus.Counter{},
	}
	for _, r := range reasons() {
		l.reconnects[r] = m.reconnects.WithLabelValues(name, string(r))
	}
	return l
}

// remove deletes the metrics of an analyzer that is not configured any more.
func (m *metrics) remove(name string) {
	of := prometheus.Labels{"analyzer": name}
	m.messages.DeletePartialMatch(of)
	m.bytes.DeletePartialMatch(of)
	m.connected.DeletePartialMatch(of)
	m.last.DeletePartialMatch(of)
	m.reconnects.DeletePartialMatch(of)
}
