// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/internal/rows"
)

// closed is a Source whose walks wait until it is opened.
type closedSource struct {
	rows.Source
	entered chan struct{}
	open    chan struct{}
}

func (c *closedSource) Scrape(*aggregator.ScrapeCursor, []aggregator.Row) int {
	c.entered <- struct{}{}
	<-c.open
	return 0
}

// The ninth scrape at once is refused in words and counted; when the others are
// done, scrapes are served again.
func TestConcurrentScrapesAreBounded(t *testing.T) {
	s := &closedSource{entered: make(chan struct{}), open: make(chan struct{})}
	r := newRig(t, func(o *Options) { o.Source = s })
	most := defaultLimits().scrapes

	var scrapes sync.WaitGroup
	codes := make([]int, most)
	scrape := func(peer int) int {
		req := httptest.NewRequest(http.MethodGet, "/metrics?collect[]=connections", nil)
		req.RemoteAddr = fmt.Sprintf("198.51.100.%d:1", peer)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		return w.Code
	}
	for i := range codes {
		// Of one address as many as it can have, then one of another, and so on.
		if i == most/2 {
			if code := scrape(0); code != http.StatusServiceUnavailable {
				t.Errorf("one more of the same address: status %d", code)
			}
		}
		scrapes.Go(func() { codes[i] = scrape(max(0, i-most/2+1)) })
		<-s.entered
	}
	w := r.get("/metrics", "Accept-Encoding", "gzip")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
	if !strings.Contains(w.Body.String(), fmt.Sprint(most)) {
		t.Errorf("body: %s", w.Body)
	}
	if got := r.metric(t, "skybridge_http_requests_in_flight", ""); got != float64(most) {
		t.Errorf("in flight: %v", got)
	}
	// With all places taken the bridge can still be watched, but by nothing that
	// walks series.
	if w := r.get("/metrics?collect[]=self&collect[]=captures"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("self and captures: status %d", w.Code)
	}
	for _, encoding := range []string{"identity", "gzip"} {
		w := r.get("/metrics?collect[]=self", "Accept-Encoding", encoding)
		if w.Code != http.StatusOK || !bytes.Contains(body(t, w), []byte("\nskybridge_http_scrapes_total{result=\"rejected\"} 3\n")) {
			t.Errorf("self, %s: status %d", encoding, w.Code)
		}
	}

	close(s.open)
	go func() {
		for range s.entered { // the walks of the second and third family
		}
	}()
	scrapes.Wait()
	for _, code := range codes {
		if code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
	if w := r.get("/metrics"); w.Code != http.StatusOK {
		t.Errorf("afterwards: status %d", w.Code)
	}
	close(s.entered)
	for label, n := range map[string]float64{resultOK: float64(most) + 3, resultRejected: 3, resultAborted: 0} {
		if got := r.metric(t, "skybridge_http_scrapes_total", label); got != n {
			t.Errorf("%s: %v, want %v", label, got, n)
		}
	}
	if got := r.metric(t, "skybridge_http_scrape_duration_seconds", ""); got != float64(most)+3 {
		t.Errorf("durations: %v", got)
	}
}

// half gathers one family and an error, and one family that no format can hold.
type half struct{ prometheus.Gatherer }

func (h half) Gather() ([]*dto.MetricFamily, error) {
	families, _ := h.Gatherer.Gather()
	name, kind := "broken", dto.MetricType_COUNTER
	broken := &dto.MetricFamily{Name: &name, Type: &kind, Metric: []*dto.Metric{{}}}
	return append([]*dto.MetricFamily{broken}, families...), errors.New("one collector failed")
}

// What the Gatherer cannot say does not cost the rest of the page.
func TestGathererErrorKeepsThePage(t *testing.T) {
	for _, accept := range []string{acceptText, acceptOpenMetrics} {
		s, own, all := smallPage()
		var log bytes.Buffer
		r := newRig(t, func(o *Options) {
			o.Source, o.Gatherer = s, half{own}
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		for range 3 {
			check(t, r.get("/metrics", "Accept", accept), all)
		}
		if got := r.metric(t, "skybridge_http_gather_errors_total", ""); got != 3 {
			t.Errorf("counted %v", got)
		}
		if n := strings.Count(log.String(), "one collector failed"); n != 1 || !strings.Contains(log.String(), "write broken") {
			t.Errorf("%d lines: %s", n, log.String())
		}
	}
}

// breaking is a ResponseWriter whose client leaves after some bytes.
type breaking struct {
	discard
	left int64
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.n+int64(len(p)) > b.left {
		return 0, errors.New("broken pipe")
	}
	return b.discard.Write(p)
}

// aborts reports whether serving ended by cutting the connection.
func aborts(h http.Handler, w http.ResponseWriter, req *http.Request) (aborted bool) {
	defer func() { aborted = recover() == http.ErrAbortHandler }()
	h.ServeHTTP(w, req)
	return false
}

// When a client has gone, the walk ends with the buffer that could not be
// written, and no half page ends as if it were whole.
func TestClientAbortEndsTheWalk(t *testing.T) {
	for _, encoding := range []string{"identity", "gzip"} {
		t.Run(encoding, func(t *testing.T) {
			s := rows.Many(1000)
			s.Endless = true
			var log bytes.Buffer
			r := newRig(t, func(o *Options) {
				o.Source = s
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			req.Header.Set("Accept-Encoding", encoding)
			w := &breaking{discard{header: http.Header{}}, 200 << 10}
			if !aborts(r.handler, w, req) {
				t.Error("not cut off")
			}
			if got := r.metric(t, "skybridge_http_scrapes_total", resultAborted); got != 1 {
				t.Errorf("counted %v", got)
			}
			if log.Len() > 0 { // below info
				t.Errorf("logged: %s", log.String())
			}
		})
	}
}

// A handler that panics costs its request only, is counted, and logged seldom.
func TestPanicCostsOneRequest(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, func(o *Options) {
		o.Ready = func() (bool, string) { panic("a defect") }
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	for range 3 {
		req := httptest.NewRequest(http.MethodGet, "/-/ready", nil)
		if !aborts(r.handler, httptest.NewRecorder(), req) {
			t.Error("not cut off")
		}
	}
	if got := r.metric(t, "skybridge_http_panics_total", ""); got != 3 {
		t.Errorf("counted %v", got)
	}
	if n := strings.Count(log.String(), "a defect"); n != 1 {
		t.Errorf("%d lines: %s", n, log.String())
	}
	if got := r.metric(t, "skybridge_http_requests_in_flight", ""); got != 0 {
		t.Errorf("in flight: %v", got)
	}
}
