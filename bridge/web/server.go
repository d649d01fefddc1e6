// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package web is the bridge's HTTP surface: the scrape page, health, reload and
// the status page, on the same listeners.
package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/skydive-project/skybridge/bridge/web/connections"
	"github.com/skydive-project/skybridge/bridge/web/expose"
	"github.com/skydive-project/skybridge/bridge/web/status"
	"github.com/skydive-project/skybridge/logging"
	"github.com/skydive-project/skybridge/progress"
)

// limits are the server's bounds on time and concurrency. They are fixed;
// tests of this package tighten them.
type limits struct {
	// connections is how many connections the listeners have at once, each an equal
	// share; the next wait in the kernel's queue until one ends, at the latest after idle. It is
	// half of the usual 1,024 file descriptors: analyzers and receivers keep
	// theirs whatever connects here.
	connections int
	// perPeer is how many of these one address has; further ones are closed at once.
	// streams is how many requests a connection has under way over HTTP/2. Together
	// they bound how many passwords one address has checked at a time (peerListener):
	// 32 are 2 s, 256 are 15 s, at bcrypt's cost of 10.
	perPeer, streams int
	// scrapes is how many pages of series are written at once, of which one address
	// has its share (places); the next is refused with 503. Eight serve a pair of Prometheus servers, a few agents and a person
	// with curl, and bound the compressors' memory to 7 MB (0.8 MB each, measured). A
	// client that does not read keeps its place until chunk is over; so that the
	// bridge can be watched even when some of them take all places, collect[]=self
	// alone needs none (see writeAside).
	scrapes int
	// answers is how many answers of the API and of the status page there are at once,
	// each of up to 300 kB that a client may be slow to take; likewise.
	answers int
	// header bounds reading a request's header (and the TLS handshake), body
	// the reading of a body that no handler asked for.
	header, body time.Duration
	// idle closes a kept-alive connection; longer than Prometheus' usual scrape
	// intervals, so that a scraper keeps its connection.
	idle time.Duration
	// chunk is how long a client may take to accept [pacedBytes], page how long
	// a whole page may take. A client slower than either is cut off.
	chunk, page time.Duration
	// grace is what requests in flight get at shutdown, and what they get once
	// more to return after their connections are closed.
	grace time.Duration
}

func defaultLimits() limits {
	return limits{
		connections: 512,
		perPeer:     32,
		streams:     8,
		scrapes:     8,
		answers:     64,
		header:      10 * time.Second,
		body:        10 * time.Second,
		idle:        3 * time.Minute,
		chunk:       30 * time.Second,
		page:        5 * time.Minute,
		grace:       5 * time.Second,
	}
}

// maxHeaderBytes bounds a request's header. Credentials and Prometheus' longest
// Accept header together are under 1 kB.
const maxHeaderBytes = 16 << 10

// Server serves the bridge's listeners. Create it with [New], then [Server.Listen],
// then [Server.Run]. Its handlers may be used from many goroutines.
type Server struct {
	opts    Options
	paths   paths
	limits  limits
	metrics *metrics
	// handler is all that is served, without TLS and authentication, which the listener adds.
	handler http.Handler

	listeners []net.Listener
	requests  gate

	// life ends when the server does: what must outlive a client's connection
	// but not the server (a reload) runs under it.
	life    context.Context
	endLife context.CancelFunc

	// asking is that a request of our own is not answered, answerDue by when it should be.
	asking    atomic.Bool
	answerDue *progress.Deadline

	exposer *expose.Exposer
	scrapes *places    // pages of series being written
	aside   sync.Mutex // one page of self metrics being written

	connections *connections.View
	page        *status.Page
	assets      map[string]http.Handler // by path
	answers     *places                 // of the API or the status page
	packing     sync.Mutex              // guards gzip
	gzip        *gzip.Writer
	ticked      chan struct{} // a token where a tick is not in the history yet
	seldom      *slog.Logger  // for what peers can repeat
}

// New registers the package's metrics and builds the handlers. It opens nothing.
func New(opts Options) (*Server, error) {
	s := &Server{
		opts: opts, limits: defaultLimits(), metrics: newMetrics(opts.Registerer), seldom: logging.RateLimited(opts.Logger),
		exposer: expose.New(opts.Source, opts.Gatherer), gzip: expose.NewCompressor(io.Discard), answerDue: progress.NewDeadline(),
		connections: connections.New(opts.Source, opts.Names, time.Now), ticked: make(chan struct{}, 1),
	}
	s.scrapes = newPlaces(fairly(s.limits.scrapes))
	s.answers = newPlaces(fairly(s.limits.answers))
	s.life, s.endLife = context.WithCancel(context.Background())
	var err error
	if s.paths, err = newPaths(opts.TelemetryPath, opts.RoutePrefix); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if s.assets, err = status.LoadAssets(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if s.page, err = status.NewPage(s.paths.telemetry, opts.EnablePprof); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s.handler = s.guard(s.routes())
	return s, nil
}

// Ticked says that a tick was published: the status page's history takes it up while
// [Server.Run] runs. It never waits.
func (s *Server) Ticked() {
	select {
	case s.ticked <- struct{}{}:
	default:
	}
}

// follow takes up ticks until ctx is done.
func (s *Server) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.ticked:
			s.connections.Tick(time.Now())
		}
	}
}

// httpServer returns a server for one listener. Each listener has its own,
// since exporter-toolkit wraps the handler of the server that it is given.
func (s *Server) httpServer() *http.Server {
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.limits.header,
		// No ReadTimeout: it would end the context of a page that takes longer.
		// Bodies have a deadline of their own (guard).
		IdleTimeout:    s.limits.idle,
		WriteTimeout:   s.limits.chunk, // extended chunk by chunk where a page is long
		MaxHeaderBytes: maxHeaderBytes,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: s.limits.streams},
		// Failed handshakes and the like: any port scanner makes them.
		ErrorLog: slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
	// It is called after the toolkit has wrapped the handler, and before the first connection.
	srv.BaseContext = func(net.Listener) context.Context {
		if s.opts.UnauthenticatedHealth {
			srv.Handler = s.healthBefore(srv.Handler)
		}
		return s.life
	}
	return srv
}
