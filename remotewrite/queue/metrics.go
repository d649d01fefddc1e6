// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/meter"
)

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
	unregistered := meter.On(nil)
	m := &metrics{
		samplesIn:    unregistered.Counter("prometheus_remote_storage_samples_in_total", "Samples appended to the log. Compare with the samples sent to endpoints."),
		highest:      unregistered.Gauge("prometheus_remote_storage_highest_timestamp_in_seconds", "Time of the newest tick in the log, in seconds since the epoch."),
		marksDropped: unregistered.Counter("skybridge_log_marks_dropped_total", "Changes of names dropped while ticks from before them were still queued. Those ticks are sent under later names."),
		corruptions:  unregistered.Counters("skybridge_log_corruptions_total", "Damaged parts of the log on disk that were skipped, by what was damaged.", "what"),
		fsync:        unregistered.Histogram("skybridge_log_fsync_duration_seconds", "Duration of syncing a tick or the endpoints' cursors to disk.", prometheus.ExponentialBuckets(0.0005, 2, 15)),
	}
	for _, what := range []string{damagedTail, damagedTick, DamagedBlock, damagedSegment, damagedCursors, damagedMarks} {
		m.corruptions.WithLabelValues(what)
	}
	return m
}

// register registers the metrics, with gauges of what usage returns.
func (m *metrics) register(reg prometheus.Registerer, durable bool, usage func() Usage) {
	gauge := func(value func(u Usage) int64, name, help string) {
		meter.On(reg).GaugeOf(func() float64 { return float64(value(usage())) }, name, help, nil)
	}
	reg.MustRegister(m.samplesIn, m.highest, m.marksDropped)
	gauge(func(u Usage) int64 { return u.Bytes }, "skybridge_log_bytes", "Bytes of ticks in the log that some endpoint does not have yet.")
	gauge(func(u Usage) int64 { return int64(u.Ticks) }, "skybridge_log_ticks", "Ticks in the log that some endpoint does not have yet.")
	// What the log takes is near it before anything is dropped.
	gauge(func(u Usage) int64 {
		if durable {
			return u.DiskLimit
		}
		return u.MemoryLimit
	}, "skybridge_log_limit_bytes", "Limit of skybridge_log_disk_bytes (storage.max_bytes), or without --storage.path of skybridge_log_bytes (storage.memory_max_bytes).")
	if !durable {
		return
	}
	reg.MustRegister(m.corruptions, m.fsync)
	gauge(func(u Usage) int64 { return int64(u.Segments) }, "skybridge_log_segments", "Segments of the log on disk.")
	gauge(func(u Usage) int64 { return u.Disk }, "skybridge_log_disk_bytes", "Bytes of the log's segments on disk, including ticks that every endpoint has.")
	gauge(func(u Usage) int64 { return u.Memory }, "skybridge_log_memory_bytes", "Bytes of ticks in memory while the disk is failing.")
}
