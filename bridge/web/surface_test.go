// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/skydive-project/skybridge/bridge/web/status"
)

// FuzzSurface: whatever method, path, query and headers, the answer is one of
// the known ones, nothing panics, and a page that is served can be parsed as
// what it says it is.
func FuzzSurface(f *testing.F) {
	f.Add("GET", "/metrics", "", acceptOpenMetrics, "gzip")
	f.Add("GET", "/metrics", "collect[]=self&collect[]=nothing", acceptText, "identity")
	f.Add("GET", "/metrics", "collect%5B%5D=captures", "application/openmetrics-text;version=2.0.0;q=0.9,*/*", "gzip;q=0,*;q=1")
	f.Add("HEAD", "/", "x", "", "")
	f.Add("POST", "/-/reload", "", "", "")
	f.Add("PUT", "//-/../metrics", "%", "q=;;", ";q")
	f.Add("OPTIONS", "*", "", "", "")
	f.Add("GET", "/api/v1/status", "x=1", "", "gzip")
	f.Add("DELETE", "/api/v1/status/", "", "application/json", "")
	f.Add("POST", "/debug/pprof/symbol", "0x1+0x2", "", "")
	s, own, _ := smallPage()
	r := newRig(f, func(o *Options) {
		o.Source, o.Gatherer = s, own
		o.State = func() status.Status { return status.Status{} }
		o.EnableLifecycle = true
		o.Reload = func(context.Context) error { return errors.New("no") }
	})
	statuses := []int{200, 307, 308, 301, 400, 403, 404, 405, 500}
	f.Fuzz(func(t *testing.T, method, path, query, accept, encoding string) {
		req := (&http.Request{
			Method: method, Host: "x", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RequestURI: path,
			URL:    &url.URL{Path: path, RawQuery: query},
			Header: http.Header{"Accept": {accept}, "Accept-Encoding": {encoding}},
			Body:   http.NoBody,
		}).WithContext(t.Context())
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		if !slices.Contains(statuses, w.Code) {
			t.Fatalf("status %d", w.Code)
		}
		if to := w.Header().Get("Location"); to != "" && (to[0] != '/' || len(to) > 1 && (to[1] == '/' || to[1] == '\\')) {
			t.Fatalf("redirects to another host: %q", to)
		}
		if w.Code == 200 && path == "/metrics" && method == http.MethodGet {
			if _, err := parse(body(t, w), w.Header().Get("Content-Type")); err != nil {
				t.Fatal(err)
			}
		}
	})
}
