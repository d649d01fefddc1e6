// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/pprof"
	"regexp"
	"strings"
)

// routes maps paths and methods to handlers. GET includes HEAD; the mux answers
// other methods of a known path with 405 and Allow, unknown paths with 404.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	prefix := s.paths.prefix
	handle := func(method, path string, h http.HandlerFunc) { mux.HandleFunc(method+" "+prefix+path, h) }
	if prefix != "" {
		mux.Handle("GET /{$}", http.RedirectHandler(prefix+"/", http.StatusFound))
	}
	handle("GET", "/{$}", s.serveStatusPage)
	for path, asset := range s.assets {
		handle("GET", path, asset.ServeHTTP)
	}
	handle("GET", s.paths.telemetry, s.serveMetrics)
	handle("GET", healthyPath, verdict(s.opts.Healthy, "healthy", "not healthy"))
	handle("GET", readyPath, verdict(s.opts.Ready, "ready", "not ready"))
	handle("GET", "/api/v1/status", s.serveStatus)
	handle("GET", "/api/v1/connections", s.serveConnections)

	// A page of another site must not make a visitor's browser reload the bridge.
	reload := http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveReload)).ServeHTTP
	handle("POST", "/-/reload", reload)
	handle("PUT", "/-/reload", reload)

	if s.opts.EnablePprof {
		handle("GET", "/debug/pprof/", http.StripPrefix(prefix, http.HandlerFunc(pprof.Index)).ServeHTTP)
		handle("GET", "/debug/pprof/cmdline", pprof.Cmdline)
		handle("GET", "/debug/pprof/profile", pprof.Profile)
		handle("GET", "/debug/pprof/symbol", pprof.Symbol)
		handle("POST", "/debug/pprof/symbol", pprof.Symbol)
		handle("GET", "/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

const (
	healthyPath = "/-/healthy"
	readyPath   = "/-/ready"
)

// paths is where the pages are, as flags can say it: the prefix of all, "" or as /a/b, and
// the metrics' after it.
type paths struct{ prefix, telemetry string }

// segments is a path that needs no escaping, of the mux or of a URL.
var segments = regexp.MustCompile(`^(/[\w~-][\w.~-]*)+$`)

// CheckPaths reports what is wrong with the paths of Options.
func CheckPaths(telemetry, prefix string) error {
	_, err := newPaths(telemetry, prefix)
	return err
}

func newPaths(telemetry, prefix string) (paths, error) {
	p := paths{telemetry: cmp.Or(telemetry, "/metrics")}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		p.prefix = "/" + prefix
	}
	const write = ": write a path such as %s, of letters, digits, dots and _-~"
	if p.prefix != "" && !segments.MatchString(p.prefix) {
		return p, fmt.Errorf("--web.route-prefix is %q"+write, prefix, "/skybridge")
	}
	if !segments.MatchString(p.telemetry) {
		return p, fmt.Errorf("--web.telemetry-path is %q"+write, telemetry, "/metrics")
	}
	switch first, _, _ := strings.Cut(p.telemetry[1:], "/"); first {
	case "-", "api", "assets", "debug":
		return p, fmt.Errorf("--web.telemetry-path is %q, and other pages are under /%s: choose another path", telemetry, first)
	}
	return p, nil
}
