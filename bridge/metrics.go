// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/collectors/version"

	"github.com/skydive-project/skybridge/meter"
)

type metrics struct {
	ticks         prometheus.Counter
	tickSeconds   prometheus.Histogram
	reloadSuccess prometheus.Gauge
	reloadTime    prometheus.Gauge
	clockSteps    map[bool]prometheus.Counter // by whether it was forwards
}

// newRegistry returns a registry with what every Go service tells of itself.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		version.NewCollector("skybridge"),
	)
	return registry
}

// newSkipped returns the counter of records that do not count, which the feed
// and the aggregator share.
func newSkipped(registry prometheus.Registerer) *prometheus.CounterVec {
	return meter.On(registry).Counters("skybridge_records_skipped_total", "Records of the feed that do not count, by reason.", "reason")
}

// registerReadings registers what is read from the bridge at each scrape: why exactness is
// suspended, how long the clock makes ticks wait, and how many log lines were dropped.
func registerReadings(registry prometheus.Registerer, failure func() error, wait func() time.Duration, dropped func() uint64) {
	on := meter.On(registry)
	on.GaugeOf(func() float64 {
		if failure() != nil {
			return 1
		}
		return 0
	}, "skybridge_exactness_suspended", "1 while the disk under --storage.path is failing: what is counted now does not survive a crash. 0 without --storage.path.", nil)
	on.GaugeOf(func() float64 { return wait().Seconds() },
		"skybridge_clock_wait_seconds", "Seconds until samples are taken again after the clock was set back. Counting continues. Normally 0.", nil)
	on.CounterOf(func() float64 { return float64(dropped()) },
		"skybridge_log_lines_dropped_total", "Log lines dropped because standard error could not be written.", nil)
}

func newMetrics(registry prometheus.Registerer) *metrics {
	on := meter.On(registry)
	m := &metrics{
		ticks:         on.Counter("skybridge_ticks_total", "Ticks. All series are sampled at each."),
		tickSeconds:   on.Histogram("skybridge_tick_duration_seconds", "Duration of sampling all series and queuing the samples.", prometheus.ExponentialBuckets(0.001, 4, 8)),
		reloadSuccess: on.Gauge("skybridge_config_last_reload_successful", "Whether the last reload of the configuration file succeeded."),
		reloadTime:    on.Gauge("skybridge_config_last_reload_success_timestamp_seconds", "Time of the last successful configuration reload, in seconds since the epoch."),
	}
	steps := on.Counters("skybridge_clock_steps_total", "Clock steps of 2 s or more, by direction: forward (or the machine was suspended), backward.", "direction")
	m.clockSteps = map[bool]prometheus.Counter{true: steps.WithLabelValues("forward"), false: steps.WithLabelValues("backward")}
	m.reloaded(nil)
	return m
}

// clockSet counts a step of the clock.
func (m *metrics) clockSet(by time.Duration) { m.clockSteps[by > 0].Inc() }

func (m *metrics) reloaded(err error) {
	if err != nil {
		m.reloadSuccess.Set(0)
		return
	}
	m.reloadSuccess.Set(1)
	m.reloadTime.Set(float64(time.Now().Unix()))
}
