// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skydive-project/skybridge/aggregator"
)

const benchConnections = 50_000 // 250,000 series

// fixed is a Source without any bookkeeping to measure.
type fixed struct {
	rows []aggregator.Row
	at   int
}

func (f *fixed) Scrape(_ *aggregator.ScrapeCursor, rows []aggregator.Row) int {
	n := copy(rows, f.rows[f.at:])
	f.at += n
	if n == 0 {
		f.at = 0
	}
	return n
}

func (f *fixed) ScrapeInterfaces(dst []aggregator.InterfaceRow) []aggregator.InterfaceRow { return dst }
func (f *fixed) ScrapeCaptures(dst []aggregator.CaptureRow) []aggregator.CaptureRow       { return dst }

func scrapeLoop(b *testing.B, h http.Handler, accept, encoding string) {
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", encoding)
	w := &discard{header: http.Header{}}
	h.ServeHTTP(w, req) // fill the spares
	w.n = 0
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, req)
	}
	b.ReportMetric(float64(w.n)/float64(b.N), "page-B")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(5*benchConnections), "ns/series")
}

// variants runs a handler in both formats, plain and compressed.
func variants(b *testing.B, h http.Handler) {
	for _, encoding := range []string{"identity", "gzip"} {
		for _, format := range []struct{ name, accept string }{{"text", acceptText}, {"openmetrics", acceptOpenMetrics}} {
			b.Run(format.name+"/"+encoding, func(b *testing.B) { scrapeLoop(b, h, format.accept, encoding) })
		}
	}
}

// BenchmarkScrape250k is a page of 250,000 series. Its bar: at least 5 times
// faster than BenchmarkScrapeGaugeVec, uncompressed, in one run.
func BenchmarkScrape250k(b *testing.B) {
	r := newRig(b, func(o *Options) {
		o.Source, o.Gatherer = &fixed{rows: many(benchConnections).rows}, prometheus.NewRegistry()
	})
	variants(b, r.Handler())
}

// BenchmarkScrapeGaugeVec is the same page the way of the old connector: gauge
// vectors of client_golang, served by promhttp.
func BenchmarkScrapeGaugeVec(b *testing.B) {
	registry := prometheus.NewRegistry()
	names := defaultLayout().Names
	vecs := make([]*prometheus.GaugeVec, 3)
	for i, family := range aggregator.ConnectionFamilies() {
		vecs[i] = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: family.Name, Help: family.Help}, names)
		registry.MustRegister(vecs[i])
	}
	for _, row := range many(benchConnections).rows {
		for d, direction := range []string{aggregator.DirectionInitiatorToTarget, aggregator.DirectionTargetToInitiator} {
			v := append([]string{direction}, strings.Split(strings.TrimSuffix(row.Values, separatorString), separatorString)...)
			vecs[aggregator.Bytes].WithLabelValues(v...).Set(float64(row.Bytes[d]))
			vecs[aggregator.Packets].WithLabelValues(v...).Set(float64(row.Packets[d]))
			if d == 0 {
				vecs[aggregator.RTT].WithLabelValues(v...).Set(float64(row.RTT))
			}
		}
	}
	variants(b, promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
}
