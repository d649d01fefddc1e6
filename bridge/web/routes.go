// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/http/pprof"
)

// routes maps paths and methods to handlers. GET includes HEAD; the mux answers
// other methods of a known path with 405 and Allow, unknown paths with 404.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.serveStatusPage)
	for path, asset := range s.assets {
		mux.Handle("GET "+path, asset)
	}
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	mux.HandleFunc("GET /-/healthy", verdict(s.opts.Healthy, "healthy", "not healthy"))
	mux.HandleFunc("GET /-/ready", verdict(s.opts.Ready, "ready", "not ready"))
	mux.HandleFunc("GET /api/v1/status", s.serveStatus)
	mux.HandleFunc("GET /api/v1/connections", s.serveConnections)

	// A page of another site must not make a visitor's browser reload the bridge.
	reload := http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveReload))
	mux.Handle("POST /-/reload", reload)
	mux.Handle("PUT /-/reload", reload)

	if s.opts.EnablePprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}
