// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/meter"
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
	on := meter.On(reg)
	m := &metrics{
		inFlight: on.Gauge("skybridge_http_requests_in_flight", "HTTP requests in flight."),
		scrapes:  on.Counters("skybridge_http_scrapes_total", "Scrapes of /metrics by result: ok, aborted (the client disconnected or was too slow), rejected (too many concurrent scrapes).", "result"),
		duration: on.Histogram("skybridge_http_scrape_duration_seconds", "Duration of complete scrapes of /metrics, including the client's reading.",
			[]float64{0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10}),
		gatherErrors:    on.Counter("skybridge_http_gather_errors_total", "Scrapes without some of the bridge's own metrics because these could not be gathered or written."),
		panics:          on.Counter("skybridge_http_panics_total", "HTTP requests whose handler panicked."),
		answersRejected: on.Counter("skybridge_http_answers_rejected_total", "Requests for the status page or the API rejected because of too many concurrent ones."),
		refused:         on.Counter("skybridge_http_connections_refused_total", "Connections closed immediately because their address had too many."),
	}
	for _, result := range []string{resultOK, resultAborted, resultRejected} {
		m.scrapes.WithLabelValues(result)
	}
	return m
}
