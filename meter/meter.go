// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package meter makes metrics, a line each.
package meter

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Registry registers the metrics that it makes. A name that is taken panics.
type Registry struct{ auto promauto.Factory }

// On returns a Registry that registers on reg; with nil it only makes metrics.
func On(reg prometheus.Registerer) Registry { return Registry{promauto.With(reg)} }

// Counter makes a counter.
func (r Registry) Counter(name, help string) prometheus.Counter {
	return r.auto.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

// Counters makes a counter for each combination of values of the labels.
func (r Registry) Counters(name, help string, labels ...string) *prometheus.CounterVec {
	return r.auto.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// CounterOf makes a counter whose value is read at each scrape, by any goroutine.
func (r Registry) CounterOf(read func() float64, name, help string, labels prometheus.Labels) {
	r.auto.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, read)
}

// Gauge makes a gauge.
func (r Registry) Gauge(name, help string) prometheus.Gauge {
	return r.auto.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

// Gauges makes a gauge for each combination of values of the labels.
func (r Registry) Gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return r.auto.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

// GaugeOf makes a gauge whose value is read at each scrape, by any goroutine.
func (r Registry) GaugeOf(read func() float64, name, help string, labels prometheus.Labels) {
	r.auto.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, read)
}

// Histogram makes a histogram with the buckets' upper bounds.
func (r Registry) Histogram(name, help string, buckets []float64) prometheus.Histogram {
	return r.auto.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}
