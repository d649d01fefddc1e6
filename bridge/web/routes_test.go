// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRoutes(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		lifecycle    bool
		status       int
		body, allow  string
	}{
		{method: "GET", path: "/", status: 200, body: "skybridge"},
		{method: "HEAD", path: "/", status: 200},
		{method: "POST", path: "/", status: 405, allow: "GET, HEAD"},
		{method: "GET", path: "/-/healthy", status: 200, body: "healthy\n"},
		{method: "HEAD", path: "/-/healthy", status: 200},
		{method: "DELETE", path: "/-/healthy", status: 405, allow: "GET, HEAD"},
		{method: "GET", path: "/-/ready", status: 200, body: "ready\n"},
		{method: "POST", path: "/metrics", status: 405, allow: "GET, HEAD"},
		{method: "PUT", path: "/metrics", status: 405, allow: "GET, HEAD"},
		{method: "OPTIONS", path: "/metrics", status: 405, allow: "GET, HEAD"},
		{method: "POST", path: "/-/reload", status: 403, body: "--web.enable-lifecycle"},
		{method: "PUT", path: "/-/reload", status: 403, body: "--web.enable-lifecycle"},
		{method: "GET", path: "/-/reload", status: 405, allow: "POST, PUT"},
		{method: "POST", path: "/-/reload", lifecycle: true, status: 200, body: "reloaded"},
		{method: "PUT", path: "/-/reload", lifecycle: true, status: 200, body: "reloaded"},
		{method: "GET", path: "/-/reload", lifecycle: true, status: 405, allow: "POST, PUT"},
		{method: "HEAD", path: "/-/reload", lifecycle: true, status: 405, allow: "POST, PUT"},
		{method: "GET", path: "/api/v1/status", status: 200, body: `"ready": true`},
		{method: "GET", path: "/api/v1/connections", status: 200, body: `"connections": []`},
		{method: "GET", path: "/api/v1/connections?limit=0", status: 400, body: "bad limit"},
		{method: "POST", path: "/api/v1/connections", status: 405, allow: "GET, HEAD"},
		{method: "GET", path: "/api/v1/", status: 404},
		{method: "GET", path: "/assets/status.css", status: 200, body: "prefers-color-scheme"},
		{method: "GET", path: "/assets/status.html", status: 404}, // a template
		{method: "GET", path: "/assets/", status: 404},
		{method: "GET", path: "/nothing", status: 404},
		{method: "GET", path: "/metrics/", status: 404},
		{method: "GET", path: "/-/", status: 404},
		{method: "GET", path: "/index.html", status: 404},
		{method: "GET", path: "/debug/pprof/", status: 404},
		{method: "GET", path: "/debug/vars", status: 404},
		{method: "POST", path: "/nothing", status: 404},
	} {
		t.Run(tc.method+tc.path, func(t *testing.T) {
			reloads := 0
			r := newRig(t, func(o *Options) {
				o.EnableLifecycle = tc.lifecycle
				o.Reload = func(context.Context) error { reloads++; return nil }
			})
			w := r.do(tc.method, tc.path)
			if w.Code != tc.status || w.Header().Get("Allow") != tc.allow {
				t.Errorf("status %d, Allow %q", w.Code, w.Header().Get("Allow"))
			}
			if !strings.Contains(w.Body.String(), tc.body) {
				t.Errorf("body: %s", w.Body)
			}
			if (reloads == 1) != (tc.body == "reloaded") {
				t.Errorf("%d reloads", reloads)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" ||
				!strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("header: %v", w.Header())
			}
		})
	}
}

func TestReady(t *testing.T) {
	ok, word := false, "waiting for an analyzer: ws://127.0.0.1:8082 refuses the connection"
	r := newRig(t, func(o *Options) { o.Ready = func() (bool, string) { return ok, word } })
	if w := r.get("/-/ready"); w.Code != 503 || w.Body.String() != word+"\n" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	word = ""
	if w := r.get("/-/ready"); w.Code != 503 || w.Body.String() != "not ready\n" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	ok, word = true, "ready, but exactness is suspended"
	if w := r.get("/-/ready"); w.Code != 200 || w.Body.String() != word+"\n" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// The body of a failed reload is the whole error, as plain text.
func TestReloadError(t *testing.T) {
	const text = "skybridge.yml:3: web.listen_adress: unknown key: did you mean listen_address?\nskybridge.yml:9: <b>: no"
	var log bytes.Buffer
	r := newRig(t, func(o *Options) {
		o.EnableLifecycle = true
		o.Reload = func(context.Context) error { return errors.New(text) }
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	w := r.do(http.MethodPost, "/-/reload")
	if w.Code != 500 || w.Body.String() != "reload failed: "+text+"\n" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if ct := w.Header().Get("Content-Type"); ct != "text/plain; charset=utf-8" {
		t.Errorf("Content-Type %q", ct)
	}
	if log.Len() > 0 { // who reloads logs it; twice would look like two failures
		t.Errorf("logged: %s", log.String())
	}
}

// A client that hangs up does not stop a reload half-way; the server's end does.
func TestReloadOutlivesItsClient(t *testing.T) {
	var under context.Context
	r := newRig(t, func(o *Options) {
		o.EnableLifecycle = true
		o.Reload = func(ctx context.Context) error { under = ctx; return ctx.Err() }
	})
	gone, leave := context.WithCancel(t.Context())
	leave()
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/-/reload", nil).WithContext(gone))
	if w.Code != 200 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	r.endLife()
	if under.Err() == nil {
		t.Error("continues after the server's end")
	}
}

// A page of another site that a browser shows cannot reload the bridge.
func TestReloadRefusesOtherSites(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.EnableLifecycle = true
		o.Reload = func(context.Context) error { return errors.New("reloaded") }
	})
	if w := r.do(http.MethodPost, "/-/reload", "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if w := r.do(http.MethodPost, "/-/reload", "Origin", "https://evil.example"); w.Code != 403 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestPprofBehindItsFlag(t *testing.T) {
	r := newRig(t, func(o *Options) { o.EnablePprof = true })
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
		if w := r.get(path); w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
	if w := r.do(http.MethodPost, "/debug/pprof/symbol"); w.Code != 200 {
		t.Errorf("symbol: status %d", w.Code)
	}
	if w := r.do(http.MethodPost, "/debug/pprof/heap"); w.Code != 405 {
		t.Errorf("heap: status %d", w.Code)
	}
}

// What the operator set in the web configuration file is not overruled.
func TestOperatorsHeadersWin(t *testing.T) {
	h := http.Header{"X-Frame-Options": {"SAMEORIGIN"}}
	secure(h)
	if h.Get("X-Frame-Options") != "SAMEORIGIN" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("header: %v", h)
	}
}
