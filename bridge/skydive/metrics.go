// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
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

	updates    prometheus.Counter
	shed       prometheus.Counter
	messages   *prometheus.CounterVec
	bytes      *prometheus.CounterVec
	reconnects *prometheus.CounterVec
	connected  *prometheus.GaugeVec
	last       *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer, skipped *prometheus.CounterVec, q *queue) (*metrics, error) {
	analyzer := []string{"analyzer"}
	m := &metrics{
		skipped: skipped,
		updates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "skybridge_updates_received_total",
			Help: "Flow records decoded."}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "skybridge_messages_shed_total",
			Help: "Messages dropped because the queue of undecoded messages was full."}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skybridge_messages_received_total",
			Help: "Data messages from the analyzer, including dropped ones."}, analyzer),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skybridge_message_bytes_received_total",
			Help: "Bytes of data messages from the analyzer, including dropped ones."}, analyzer),
		reconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skybridge_reconnects_total",
			Help: "Reconnects to the analyzer, by the reason why the connection ended or the attempt failed."},
			[]string{"analyzer", "reason"}),
		connected: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "skybridge_feed_connected",
			Help: "Whether the bridge is subscribed to the analyzer."}, analyzer),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "skybridge_feed_last_message_timestamp_seconds",
			Help: "Time of the last data message from the analyzer, in seconds since the epoch."}, analyzer),
	}
	for _, c := range []prometheus.Collector{
		m.updates, m.shed, m.messages, m.bytes, m.reconnects, m.connected, m.last,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "skybridge_feed_queue_bytes",
			Help: "Bytes of messages in the queue of undecoded messages."},
			func() float64 { return float64(q.bytes.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "skybridge_feed_queue_messages",
			Help: "Messages in the queue of undecoded messages."},
			func() float64 { return float64(len(q.messages)) }),
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("skydive: register metrics: %w", err)
		}
	}
	for _, r := range []string{skippedFlow, skippedMessage, skippedOther, skippedTooLarge} {
		skipped.WithLabelValues(r)
	}
	return m, nil
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

// forget drops the metrics of an analyzer that is not configured any more.
func (m *metrics) forget(name string) {
	of := prometheus.Labels{"analyzer": name}
	m.messages.DeletePartialMatch(of)
	m.bytes.DeletePartialMatch(of)
	m.connected.DeletePartialMatch(of)
	m.last.DeletePartialMatch(of)
	m.reconnects.DeletePartialMatch(of)
}
