// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/meter"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// Reasons of samples_dropped_total, beside those of the log.
const (
	reasonRefused = "refused" // without their zeros, which the receiver refused all (outcome.go)

	reasonDroppedSeries = "dropped_series"    // by write_relabel_configs; Prometheus' own word
	reasonCollision     = "relabel_collision" // relabelled to the name of another series
	reasonInvalid       = "relabel_invalid"   // relabelled to what is no valid name
)

const prefix = "prometheus_remote_storage_"

// endpointMetrics is what an endpoint counts, named and labelled as in Prometheus'
// storage/remote/queue_manager.go, so that its alerts and dashboards work.
// Meanings differ in two points: samples_total counts what was acknowledged, not
// what was tried (so that in = sent + failed + dropped + pending holds, but for
// zeros in place of dropped ones), and enqueue_retries_total stays 0, for
// nothing here waits to enqueue.
type endpointMetrics struct {
	samples, samplesFailed, samplesRetried, enqueueRetries, bytes prometheus.Counter
	metadata, metadataFailed, metadataBytes, staleDropped         prometheus.Counter
	condensedSeries, condensedSamples, refusedBytes, unremembered prometheus.Counter

	samplesDropped, lostSeries, lostBytes *prometheus.CounterVec // by reason

	duration prometheus.Observer
}

// counter is a counter of endpoints, and where one of them keeps its own: plain, or by
// reason.
type counter struct {
	name, help string
	plain      *prometheus.Counter
	byReason   **prometheus.CounterVec
}

// counters are the counters of an endpoint, always in the same order.
func (e *endpointMetrics) counters() []counter {
	return []counter{
		{prefix + "samples_total", "Samples that the receiver acknowledged.", &e.samples, nil},
		{prefix + "samples_failed_total", "Samples that the receiver refused. They are not retried.", &e.samplesFailed, nil},
		{prefix + "samples_retried_total", "Samples of failed attempts that were retried.", &e.samplesRetried, nil},
		{prefix + "enqueue_retries_total", "Always 0: appending to the log never waits.", &e.enqueueRetries, nil},
		{prefix + "bytes_total", "Compressed bytes of answered requests.", &e.bytes, nil},
		{prefix + "metadata_total", "Metadata entries that the receiver acknowledged. Only in 1.0; 2.0 has metadata in the series.", &e.metadata, nil},
		{prefix + "metadata_failed_total", "Metadata entries that the receiver did not accept. They are sent again with the next.", &e.metadataFailed, nil},
		{prefix + "metadata_bytes_total", "Compressed bytes of acknowledged metadata requests.", &e.metadataBytes, nil},
		{prefix + "samples_dropped_total", "Samples dropped before the receiver gave its final answer, by reason.", nil, &e.samplesDropped},
		{"skybridge_stale_markers_dropped_total", "Stale markers among the dropped samples. Unless such a series returned, only the receiver's lookback ends it.", &e.staleDropped, nil},
		{"skybridge_condensed_series_total", "Series whose final value was sent condensed, with a later timestamp, because its tick was too old for the receiver or compacted.", &e.condensedSeries, nil},
		{"skybridge_condensed_samples_total", "Samples not sent because they were condensed: their ticks were too old for the receiver or compacted. What they counted was sent with a later timestamp.", &e.condensedSamples, nil},
		{"skybridge_lost_series_total", "Counters whose final value was dropped or refused, and may never have arrived, by reason.", nil, &e.lostSeries},
		{"skybridge_lost_bytes_total", "Traffic bytes that the receiver will never get: the final values of byte counters, dropped or refused, by reason. An upper bound, because the receiver may have an earlier value.", nil, &e.lostBytes},
		{"skybridge_refused_bytes_total", "Compressed bytes of requests that the receiver refused.", &e.refusedBytes, nil},
		{"skybridge_refused_series_forgotten_total", "Series refused because relabelling gave them the labels of another, beyond the 65,536 per receiver recorded across restarts. After a restart they may be sent if the other has ended.", &e.unremembered, nil},
	}
}

// senderMetrics are the metrics of all endpoints.
type senderMetrics struct {
	counters []*prometheus.CounterVec // in the order of endpointMetrics.counters
	duration *prometheus.HistogramVec
	// abandoned has no labels of an endpoint: it is gone.
	abandoned prometheus.Counter
}

// The labels of an endpoint in metrics.
func endpointLabels(more ...string) []string { return append([]string{"remote_name", "url"}, more...) }

// newSenderMetrics returns them, those that live endpoints do not collect registered.
func newSenderMetrics(reg prometheus.Registerer) *senderMetrics {
	m := &senderMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    prefix + "sent_batch_duration_seconds",
			Help:    "Duration of send calls to the remote storage.",
			Buckets: append(append([]float64(nil), prometheus.DefBuckets...), 25, 60, 120, 300),

			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, endpointLabels()),
		abandoned: meter.On(reg).Counter("skybridge_abandoned_samples_total", "Samples queued for receivers that were removed from the configuration."),
	}
	for _, c := range new(endpointMetrics).counters() {
		labels := endpointLabels()
		if c.byReason != nil {
			labels = endpointLabels("reason")
		}
		m.counters = append(m.counters, meter.On(nil).Counters(c.name, c.help, labels...))
	}
	reg.MustRegister(m.duration)
	return m
}

// endpoint returns one endpoint's share.
func (m *senderMetrics) endpoint(labels prometheus.Labels) *endpointMetrics {
	e := &endpointMetrics{duration: m.duration.With(labels)}
	for i, c := range e.counters() {
		if c.plain != nil {
			*c.plain = m.counters[i].With(labels)
		} else {
			*c.byReason = m.counters[i].MustCurryWith(labels)
		}
	}
	for _, reason := range []string{queue.ReasonTooOld, queue.ReasonLogFull, queue.ReasonUnreadable, reasonRefused} {
		// So that the first loss is seen as an increase.
		e.samplesDropped.WithLabelValues(reason)
		e.lostSeries.WithLabelValues(reason)
		e.lostBytes.WithLabelValues(reason)
	}
	return e
}

// forget removes an endpoint's series.
func (m *senderMetrics) forget(labels prometheus.Labels) {
	for _, c := range m.counters {
		c.DeletePartialMatch(labels)
	}
	m.duration.DeletePartialMatch(labels)
}

func (e *endpointMetrics) dropped(samples, stale int, reason string) {
	e.samplesDropped.WithLabelValues(reason).Add(float64(samples))
	e.staleDropped.Add(float64(stale))
}

// lost counts what ended in ticks that were dropped.
func (e *endpointMetrics) lost(series int, bytes uint64, reason string) {
	e.lostSeries.WithLabelValues(reason).Add(float64(series))
	e.lostBytes.WithLabelValues(reason).Add(float64(bytes))
}
