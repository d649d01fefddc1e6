// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import "github.com/prometheus/client_golang/prometheus"

// Reasons for which samples are dropped. too_old is Prometheus' own word.
const (
	ReasonTooOld     = "too_old"    // past Config.MaxAge or the endpoint's limit
	ReasonLogFull    = "log_full"   // past Config.MaxBytes
	ReasonUnreadable = "unreadable" // a tick that contradicts itself, or a damaged block
)

// Values of corruptions_total's label what.
const (
	damagedTail    = "tail"    // the last tick was cut off, as by a loss of power
	damagedTick    = "tick"    // a tick, or some in a row, or the end of a segment
	DamagedBlock   = "block"   // some samples of a tick
	damagedSegment = "segment" // a whole segment
	damagedCursors = "cursors" // one copy of the endpoints' places, or all
	damagedMarks   = "marks"   // the names of older ticks, all or some
)

// Usage is the room that a log takes, in bytes. A limit of 0 is none.
type Usage struct {
	// Ticks are those that wait for some endpoint, and Bytes what they take.
	Ticks int
	Bytes int64
	// MemorySamples are those that wait in memory for a disk: a crash would lose them.
	MemorySamples int64
	// Segments are its files, and Disk is what they take, those with ticks that no
	// endpoint needs any more included. All are 0 where the log is in memory only.
	Segments        int
	Disk, DiskLimit int64
	// Memory is what ticks take that are in memory: all of them without a disk, with
	// one those that wait for it.
	Memory, MemoryLimit int64
}

// metrics is what a log counts. The two Prometheus names are without endpoint labels
// there too.
type metrics struct {
	samplesIn    prometheus.Counter
	highest      prometheus.Gauge
	marksDropped prometheus.Counter
	// Of a durable log.
	corruptions *prometheus.CounterVec
	fsync       prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{
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

// register registers the metrics, with gauges of what usage returns.
func (m *metrics) register(reg prometheus.Registerer, durable bool, usage func() Usage) {
	gauge := func(name, help string, value func(u Usage) float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(usage()) }))
	}
	reg.MustRegister(m.samplesIn, m.highest, m.marksDropped)
	gauge("skybridge_log_bytes", "Bytes of ticks in the log that some endpoint does not have yet.",
		func(u Usage) float64 { return float64(u.Bytes) })
	gauge("skybridge_log_ticks", "Ticks in the log that some endpoint does not have yet.",
		func(u Usage) float64 { return float64(u.Ticks) })
	// What the log takes is near it before anything is dropped.
	gauge("skybridge_log_limit_bytes", "Limit of skybridge_log_disk_bytes (storage.max_bytes), or without --storage.path of skybridge_log_bytes (storage.memory_max_bytes).",
		func(u Usage) float64 {
			if durable {
				return float64(u.DiskLimit)
			}
			return float64(u.MemoryLimit)
		})
	if !durable {
		return
	}
	reg.MustRegister(m.corruptions, m.fsync)
	gauge("skybridge_log_segments", "Segments of the log on disk.",
		func(u Usage) float64 { return float64(u.Segments) })
	gauge("skybridge_log_disk_bytes", "Bytes of the log's segments on disk, including ticks that every endpoint has.",
		func(u Usage) float64 { return float64(u.Disk) })
	gauge("skybridge_log_memory_bytes", "Bytes of ticks in memory while the disk is failing.",
		func(u Usage) float64 { return float64(u.Memory) })
}
