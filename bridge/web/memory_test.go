// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
)

// allocated returns the bytes that one scrape allocates after the first.
func allocated(t *testing.T, connections int, header ...string) uint64 {
	s := many(connections)
	r := newRig(t, func(o *Options) { o.Source, o.Gatherer = s, prometheus.NewRegistry() })
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	scrape := func() { r.Handler().ServeHTTP(&discard{header: http.Header{}}, req) }
	scrape()

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	scrape()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A page of 250,000 series costs what a page of 250 costs, compressed or not.
// All that is allocated anew is counted, so the page's share of memory beside
// the buffers that are reused cannot be larger.
func TestMemoryDoesNotGrowWithSeries(t *testing.T) {
	for _, encoding := range []string{"identity", "gzip"} {
		few := allocated(t, 50, "Accept-Encoding", encoding)
		lots := allocated(t, 50_000, "Accept-Encoding", encoding)
		t.Logf("%s: %d B a scrape of 250 series, %d B of 250,000", encoding, few, lots)
		// The slack is for what the runtime and the test's source allocate at will.
		if lots > few+8<<10 || lots > 32<<10 {
			t.Errorf("%s: %d B a scrape of 250 series, %d B of 250,000", encoding, few, lots)
		}
	}
}

// The reused buffers are within the bound as well: with what a scrape allocates
// and net/http's buffers they stay under 64 kB.
func TestPageIsSmall(t *testing.T) {
	p := newPage()
	rows := cap(p.rows) * int(unsafe.Sizeof(aggregator.Row{}))
	if total := cap(p.buf) + rows; total > 48<<10 {
		t.Errorf("%d bytes", total)
	}
}

// No series costs an allocation.
func TestNoAllocationsPerSeries(t *testing.T) {
	s := many(1000)
	p := newPage()
	p.reset(t.Context(), &discard{}, true)
	p.connections(s)
	// Two a family: the cursor, which a Source may keep while it walks.
	if n := testing.AllocsPerRun(20, func() { p.connections(s) }); n > 6 {
		t.Errorf("%v allocations for 5,000 series", n)
	}
}
