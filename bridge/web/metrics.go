// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The ways a scrape can end, values of the label result.
const (
	resultOK       = "ok"
	resultAborted  = "aborted"  // the client went away or was too slow
	resultRejected = "rejected" // too many at once
)

// metrics are all metrics of this package.
type metrics struct {
	inFlight     prometheus.Gauge
	scrapes      *prometheus.CounterVec
	duration     prometheus.Histogram
	gatherErrors prometheus.Counter
	panics       prometheus.Counter
	refused      prometheus.Counter

	answersRejected prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return auto.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		inFlight: auto.NewGauge(prometheus.GaugeOpts{
			Name: "skybridge_http_requests_in_flight",
			Help: "HTTP requests in flight.",
		}),
		scrapes: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "skybridge_http_scrapes_total",
			Help: "Scrapes of /metrics by result: ok, aborted (the client disconnected or was too slow), rejected (too many concurrent scrapes).",
		}, []string{"result"}),
		duration: auto.NewHistogram(prometheus.HistogramOpts{
			Name:    "skybridge_http_scrape_duration_seconds",
			Help:    "Duration of complete scrapes of /metrics, including the client's reading.",
			Buckets: []float64{0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10},
		}),
		gatherErrors:    counter("skybridge_http_gather_errors_total", "Scrapes without some of the bridge's own metrics because these could not be gathered or written."),
		panics:          counter("skybridge_http_panics_total", "HTTP requests whose handler panicked."),
		answersRejected: counter("skybridge_http_answers_rejected_total", "Requests for the status page or the API rejected because of too many concurrent ones."),
		refused:         counter("skybridge_http_connections_refused_total", "Connections closed immediately because their address had too many."),
	}
	for _, result := range []string{resultOK, resultAborted, resultRejected} {
		m.scrapes.WithLabelValues(result)
	}
	return m
}
