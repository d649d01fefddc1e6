// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// Reasons of samples_dropped_total, beside those of the log.
const (
	reasonRefused = "refused" // without their zeros, which the receiver refused all (refusal.go)

	reasonDroppedSeries = "dropped_series"    // by write_relabel_configs; Prometheus' own word
	reasonCollision     = "relabel_collision" // relabelled to the name of another series
	reasonInvalid       = "relabel_invalid"   // relabelled to what is no valid name
)

const prefix = "prometheus_remote_storage_"

// senderMetrics is what an endpoint counts, named and labelled as in Prometheus'
// storage/remote/queue_manager.go, so that its alerts and dashboards work.
// Meanings differ in two points: samples_total counts what was acknowledged, not
// what was tried (so that in = sent + failed + dropped + pending holds, but for
// zeros in place of dropped ones), and enqueue_retries_total stays 0, for
// nothing here waits to enqueue.
type senderMetrics struct {
	samples, samplesFailed, samplesRetried, enqueueRetries, bytes *prometheus.CounterVec
	samplesDropped, staleDropped                                  *prometheus.CounterVec
	metadata, metadataFailed, metadataBytes                       *prometheus.CounterVec
	condensedSeries, condensedSamples, refusedBytes               *prometheus.CounterVec
	lostSeries, lostBytes, unremembered                           *prometheus.CounterVec
	duration                                                      *prometheus.HistogramVec

	// abandoned has no labels of an endpoint: it is gone.
	abandoned prometheus.Counter

	live *liveEndpoints
	all  []*prometheus.CounterVec
}

// Describe implements prometheus.Collector.
func (m *senderMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector. What the log knows of the endpoints' losses
// is counted first.
func (m *senderMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, e := range m.live.all() {
		e.account()
	}
	for _, c := range m.all {
		c.Collect(ch)
	}
}

// The labels of an endpoint in metrics.
func endpointLabels(more ...string) []string { return append([]string{"remote_name", "url"}, more...) }

func newSenderMetrics(reg prometheus.Registerer, live *liveEndpoints) *senderMetrics {
	var all []*prometheus.CounterVec
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		all = append(all, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, endpointLabels(labels...)))
		return all[len(all)-1]
	}
	m := &senderMetrics{
		live:             live,
		samples:          counter(prefix+"samples_total", "Samples that the receiver acknowledged."),
		samplesFailed:    counter(prefix+"samples_failed_total", "Samples that the receiver refused. They are not retried."),
		samplesRetried:   counter(prefix+"samples_retried_total", "Samples of failed attempts that were retried."),
		enqueueRetries:   counter(prefix+"enqueue_retries_total", "Always 0: appending to the log never waits."),
		bytes:            counter(prefix+"bytes_total", "Compressed bytes of answered requests."),
		metadata:         counter(prefix+"metadata_total", "Metadata entries that the receiver acknowledged. Only in 1.0; 2.0 has metadata in the series."),
		metadataFailed:   counter(prefix+"metadata_failed_total", "Metadata entries that the receiver did not accept. They are sent again with the next."),
		metadataBytes:    counter(prefix+"metadata_bytes_total", "Compressed bytes of acknowledged metadata requests."),
		samplesDropped:   counter(prefix+"samples_dropped_total", "Samples dropped before the receiver gave its final answer, by reason.", "reason"),
		staleDropped:     counter("skybridge_stale_markers_dropped_total", "Stale markers among the dropped samples. Unless such a series returned, only the receiver's lookback ends it."),
		condensedSeries:  counter("skybridge_condensed_series_total", "Series whose final value was sent condensed, with a later timestamp, because its tick was too old for the receiver or compacted."),
		condensedSamples: counter("skybridge_condensed_samples_total", "Samples not sent because they were condensed: their ticks were too old for the receiver or compacted. What they counted was sent with a later timestamp."),
		lostSeries:       counter("skybridge_lost_series_total", "Counters whose final value was dropped or refused, and may never have arrived, by reason.", "reason"),
		lostBytes:        counter("skybridge_lost_bytes_total", "Traffic bytes that the receiver will never get: the final values of byte counters, dropped or refused, by reason. An upper bound, because the receiver may have an earlier value.", "reason"),
		refusedBytes:     counter("skybridge_refused_bytes_total", "Compressed bytes of requests that the receiver refused."),
		unremembered:     counter("skybridge_refused_series_forgotten_total", "Series refused because relabelling gave them the labels of another, beyond the 65,536 per receiver recorded across restarts. After a restart they may be sent if the other has ended."),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    prefix + "sent_batch_duration_seconds",
			Help:    "Duration of send calls to the remote storage.",
			Buckets: append(append([]float64(nil), prometheus.DefBuckets...), 25, 60, 120, 300),

			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, endpointLabels()),
	}
	m.abandoned = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "skybridge_abandoned_samples_total",
		Help: "Samples queued for receivers that were removed from the configuration.",
	})
	m.all = all
	reg.MustRegister(m, m.duration, m.abandoned, live)
	return m
}

// endpointMetrics is one endpoint's share of senderMetrics.
type endpointMetrics struct {
	samples, samplesFailed, samplesRetried, bytes, staleDropped prometheus.Counter
	metadata, metadataFailed, metadataBytes                     prometheus.Counter

	condensedSeries, condensedSamples, refusedBytes, unremembered prometheus.Counter
	lostSeries, lostBytes                                         *prometheus.CounterVec

	samplesDropped *prometheus.CounterVec
	duration       prometheus.Observer
	highestSent    *atomic.Int64 // ms, 0: none yet
}

func (m *senderMetrics) endpoint(labels prometheus.Labels, highestSent *atomic.Int64) *endpointMetrics {
	m.enqueueRetries.With(labels)
	e := &endpointMetrics{
		samples: m.samples.With(labels), samplesFailed: m.samplesFailed.With(labels),
		samplesRetried: m.samplesRetried.With(labels), bytes: m.bytes.With(labels),
		staleDropped: m.staleDropped.With(labels), samplesDropped: m.samplesDropped.MustCurryWith(labels),
		metadata: m.metadata.With(labels), metadataFailed: m.metadataFailed.With(labels), metadataBytes: m.metadataBytes.With(labels),
		duration: m.duration.With(labels), highestSent: highestSent,
		condensedSeries: m.condensedSeries.With(labels), condensedSamples: m.condensedSamples.With(labels), refusedBytes: m.refusedBytes.With(labels),
		unremembered: m.unremembered.With(labels),
		lostSeries:   m.lostSeries.MustCurryWith(labels), lostBytes: m.lostBytes.MustCurryWith(labels),
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
	for _, c := range m.all {
		c.DeletePartialMatch(labels)
	}
	m.duration.DeletePartialMatch(labels)
}

func (e *endpointMetrics) attempted(took time.Duration) { e.duration.Observe(took.Seconds()) }

// answered counts a request of the tick at (ms) that has its final answer.
func (e *endpointMetrics) answered(at int64, bytes int) {
	e.bytes.Add(float64(bytes))
	e.reached(at)
}

// reached records that something of the tick at (ms) has its final answer, or
// that the tick is finished: one without samples must not look like a backlog.
func (e *endpointMetrics) reached(at int64) {
	for old := e.highestSent.Load(); at > old; old = e.highestSent.Load() {
		if e.highestSent.CompareAndSwap(old, at) {
			return
		}
	}
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
