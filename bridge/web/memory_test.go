// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/internal/rows"
)

// allocated returns the bytes that one scrape allocates after the first.
func allocated(t *testing.T, connections int, header ...string) uint64 {
	s := rows.Many(connections)
	r := newRig(t, func(o *Options) { o.Source, o.Gatherer = s, prometheus.NewRegistry() })
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	scrape := func() { r.handler.ServeHTTP(&discard{header: http.Header{}}, req) }
	scrape()

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	scrape()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMemoryDoesNotGrowWithSeries proves that a page of 250,000 series costs what a page
// of 250 costs: its buffers and, where it is compressed, a compressor.
func TestMemoryDoesNotGrowWithSeries(t *testing.T) {
	for encoding, most := range map[string]uint64{"identity": 64 << 10, "gzip": 1 << 20} {
		few := allocated(t, 50, "Accept-Encoding", encoding)
		lots := allocated(t, 50_000, "Accept-Encoding", encoding)
		t.Logf("%s: %d B a scrape of 250 series, %d B of 250,000", encoding, few, lots)
		// The slack is for what the runtime and the test's source allocate at will.
		if lots > few+8<<10 || lots > most {
			t.Errorf("%s: %d B a scrape of 250 series, %d B of 250,000", encoding, few, lots)
		}
	}
}
