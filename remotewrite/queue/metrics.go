// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons for which samples are dropped. too_old is Prometheus' own word.
const (
	ReasonTooOld     = "too_old"    // past LogConfig.MaxAge or the endpoint's limit
	ReasonLogFull    = "log_full"   // past LogConfig.MaxBytes
	ReasonUnreadable = "unreadable" // a tick that contradicts itself, or a damaged block
)

// logMetrics is what concerns the log as a whole. The two Prometheus names are
// without endpoint labels there too.
type logMetrics struct {
	samplesIn    prometheus.Counter
	highest      prometheus.Gauge
	marksDropped prometheus.Counter
}

func newLogMetrics(reg prometheus.Registerer, l *Log) *logMetrics {
	m := &logMetrics{
		samplesIn: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "prometheus_remote_storage_samples_in_total",
			Help: "Samples appended to the log. Compare with the samples sent to endpoints.",
		}),
		highest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "prometheus_remote_storage_highest_timestamp_in_seconds",
			Help: "Time of the newest tick in the log, in seconds since the epoch.",
		}),
		marksDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "skybridge_log_marks_dropped_total",
			Help: "Changes of names dropped while ticks from before them were still queued. Those ticks are sent under later names.",
		}),
	}
	reg.MustRegister(m.samplesIn, m.highest, m.marksDropped,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "skybridge_log_bytes",
			Help: "Bytes of ticks in the log that some endpoint does not have yet.",
		}, func() float64 { return float64(l.Usage().Bytes) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "skybridge_log_ticks",
			Help: "Ticks in the log that some endpoint does not have yet.",
		}, func() float64 { return float64(l.Usage().Ticks) }),
	)
	return m
}

// registerLimit registers the bound on what waits: what the log takes is near it
// before anything is dropped.
func registerLimit(reg prometheus.Registerer, bytes int64) {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "skybridge_log_limit_bytes",
		Help: "Limit of skybridge_log_disk_bytes (storage.max_bytes), or without --storage.path of skybridge_log_bytes (storage.memory_max_bytes).",
	})
	g.Set(float64(bytes))
	reg.MustRegister(g)
}

// Values of corruptions_total's label what.
const (
	damagedTail    = "tail"    // the last tick was cut off, as by a loss of power
	damagedTick    = "tick"    // a tick, or some in a row, or the end of a segment
	DamagedBlock   = "block"   // some samples of a tick
	damagedSegment = "segment" // a whole segment
	damagedCursors = "cursors" // one copy of the endpoints' places, or all
	damagedMarks   = "marks"   // the names of older ticks, all or some
)

// storeMetrics is what concerns the disk under a log.
type storeMetrics struct {
	corruptions *prometheus.CounterVec
	fsync       prometheus.Histogram
}

func newStoreMetrics() *storeMetrics {
	m := &storeMetrics{
		corruptions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skybridge_log_corruptions_total",
			Help: "Damaged parts of the log on disk that were skipped, by what was damaged.",
		}, []string{"what"}),
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "skybridge_log_fsync_duration_seconds",
			Help:    "Duration of syncing a tick or the endpoints' cursors to disk.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
	}
	for _, what := range []string{damagedTail, damagedTick, DamagedBlock, damagedSegment, damagedCursors, damagedMarks} {
		m.corruptions.WithLabelValues(what)
	}
	return m
}

func (m *storeMetrics) register(reg prometheus.Registerer, l *Log) {
	gauge := func(name, help string, value func(s *store) float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			l.mu.Lock()
			defer l.mu.Unlock()
			return value(l.store)
		}))
	}
	reg.MustRegister(m.corruptions, m.fsync)
	gauge("skybridge_log_segments", "Segments of the log on disk.",
		func(s *store) float64 { return float64(len(s.segments) + len(s.toDelete)) })
	gauge("skybridge_log_disk_bytes", "Bytes of the log's segments on disk, including ticks that every endpoint has.",
		func(s *store) float64 { return float64(s.bytes) })
	gauge("skybridge_log_memory_bytes", "Bytes of ticks in memory while the disk is failing.",
		func(s *store) float64 { return float64(s.memory) })
}

func (m *logMetrics) appended(t *Tick) {
	m.samplesIn.Add(float64(t.Samples))
	m.highest.Set(math.Floor(float64(t.At) / 1000))
}
