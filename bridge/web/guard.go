// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"net/http"
	"runtime/debug"
	"time"
)

// maxBodyBytes bounds a request's body. No endpoint needs one; pprof's symbol
// lookup sends a list of addresses.
const maxBodyBytes = 64 << 10

// guard is what every request passes: it is counted, its body is bounded in
// size and time, the answer carries the security headers, and a panic costs no
// more than the request.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if !s.requests.enter() {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
		defer s.requests.leave()
		s.metrics.inFlight.Inc()
		defer s.metrics.inFlight.Dec()
		defer s.contain(r)

		if r.Body != nil && r.Body != http.NoBody {
			// net/http reads what a handler left of the body before it continues,
			// and would wait for it without end. Not supported by a recorder in a
			// test: then there is nothing to bound.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.limits.body))
			r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		}
		next.ServeHTTP(w, r)
	})
}

// defaultPolicy is for answers that are no page.
const defaultPolicy = "default-src 'none'; frame-ancestors 'none'"

// secure sets the headers that every answer carries. What the operator's web
// configuration file says comes first.
func secure(h http.Header) {
	set := func(key, value string) {
		if h.Get(key) == "" {
			h.Set(key, value)
		}
	}
	set("Content-Security-Policy", defaultPolicy)
	set("X-Content-Type-Options", "nosniff")
	set("X-Frame-Options", "DENY")
	set("Referrer-Policy", "no-referrer")
	set("Cross-Origin-Resource-Policy", "same-origin")
	set("Cache-Control", "no-store")
}

// contain logs a handler's panic and cuts the connection, so that no client takes
// half an answer for a whole one.
func (s *Server) contain(r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		s.metrics.panics.Inc()
		s.seldom.Error("an HTTP handler panicked; please report this",
			"path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}
