// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/bridge/web/connections"
	"github.com/skydive-project/skybridge/internal/rows"
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

func (f *fixed) ScrapeTraffic(_ *aggregator.ScrapeCursor, rows []aggregator.TrafficRow) int {
	n := 0
	for ; n < len(rows) && f.at < len(f.rows); n, f.at = n+1, f.at+1 {
		rate := float32(f.rows[f.at].Bytes[0] % 1_000_003)
		rows[n] = aggregator.TrafficRow{Row: f.rows[f.at], Rate: [2]float32{rate, rate / 3}}
	}
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
		o.Source, o.Gatherer = &fixed{rows: rows.Many(benchConnections).Rows}, prometheus.NewRegistry()
	})
	variants(b, r.handler)
}

// BenchmarkScrapeGaugeVec is the same page the way of the old connector: gauge
// vectors of client_golang, served by promhttp.
func BenchmarkScrapeGaugeVec(b *testing.B) {
	registry := prometheus.NewRegistry()
	names := rows.DefaultLayout().Names
	vecs := make([]*prometheus.GaugeVec, len(aggregator.ConnectionFamilies()))
	for i, family := range aggregator.ConnectionFamilies() {
		vecs[i] = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: family.Name, Help: family.Help}, names)
		registry.MustRegister(vecs[i])
	}
	for _, row := range rows.Many(benchConnections).Rows {
		for d, direction := range []string{label.InitiatorToTarget, label.TargetToInitiator} {
			v := append([]string{direction}, strings.Split(strings.TrimSuffix(row.Values, "\xff"), "\xff")...)
			for j, vec := range vecs {
				if values, series := row.Value(j); d < series {
					vec.WithLabelValues(v...).Set(float64(values[d]))
				}
			}
		}
	}
	variants(b, promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
}

// BenchmarkConnections is a refresh of the status page with 100,000 connections, when
// no one has looked for a second. Its bar: 200 ms.
func BenchmarkConnections(b *testing.B) {
	for _, bm := range []struct{ name, query string }{
		{"rate", ""},
		{"address", "?sort=initiator_ip"},
		{"filter", "?filter=10.0.1+tcp"},
		{"names", "?filter=web"},
		{"deep", "?sort=bytes&offset=90000&limit=500"},
		{"cached", "?"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s := &fixed{rows: rows.Many(100_000).Rows}
			r := newRig(b, func(o *Options) { o.Source, o.Names = s, exampleNames() })
			now := time.Now()
			r.connections = connections.New(s, exampleNames(), func() time.Time {
				if bm.name != "cached" {
					now = now.Add(time.Minute)
				}
				return now
			})
			r.connections.Tick(now)
			req := httptest.NewRequest(http.MethodGet, "/api/v1/connections"+bm.query, nil)
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				r.handler.ServeHTTP(w, req)
			}
			b.ReportMetric(float64(w.n)/float64(b.N), "answer-B")
		})
	}
}
