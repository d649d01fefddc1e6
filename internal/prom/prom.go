// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package prom runs a real Prometheus in this process: its TSDB, its own
// remote-write handler, its PromQL engine and its HTTP query API, from the Go
// module of the server and put together as the server does. Tests judge the
// bridge by it, and the demo shows its graphs from it.
//
// Nothing here stands in for a part of Prometheus: what is missing (service
// discovery, rules, alerting, the web UI) is simply not there.
package prom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

const (
	// lookbackDelta, queryTimeout and maxSamples are the server's defaults.
	lookbackDelta = 5 * time.Minute
	queryTimeout  = 2 * time.Minute
	maxSamples    = 50_000_000

	// shutdownPatience bounds how long Close waits for requests in flight.
	shutdownPatience = 5 * time.Second
)

// Options of a Server. The zero value is a Prometheus on a free loopback port
// with a directory of its own that Close removes.
type Options struct {
	// Dir is the TSDB's directory, created if need be and kept by Close, so
	// that a later Start finds the data. Empty: a temporary one.
	Dir string

	// ListenAddress is a loopback host and port, by default 127.0.0.1:0.
	// Anything that is not loopback is refused.
	ListenAddress string

	// OutOfOrderWindow is Prometheus' storage.tsdb.out_of_order_time_window.
	OutOfOrderWindow time.Duration

	// Retention drops blocks that lie this far behind the newest one; 0 keeps
	// everything. It is measured on the samples' own time, never on the
	// clock, so that tests can live in the past.
	Retention time.Duration

	// KeepLive is the period at which the series LiveMetric gets a sample at
	// now, as any receiver in use always has. 0: only TickAt does it.
	// Without a live series the TSDB accepts samples that real ones refuse.
	KeepLive time.Duration

	// Home answers "/", where the server would have its web UI; /graph and /query
	// lead there. nil: a line of text that names the API.
	Home http.Handler

	// Logger gets the parts' log lines; nil discards them.
	Logger *slog.Logger
}

// Server is a running Prometheus. Its methods may be called concurrently.
type Server struct {
	options  Options
	logger   *slog.Logger
	registry *prometheus.Registry
	dir      string
	ownDir   bool

	db       *tsdb.DB
	engine   *promql.Engine
	parser   parser.Parser
	client   *Client
	refusals refusals

	ticking  sync.Mutex      // held while a live sample is written
	scraping *scrape.Manager // nil: nothing is scraped

	listener net.Listener
	http     *http.Server
	stop     context.CancelFunc
	running  sync.WaitGroup
	close    func() error
}

// Start opens the storage, listens and serves until Close. An error of
// net.Listen is wrapped as it is, so that errors.Is finds EADDRINUSE.
func Start(options Options) (*Server, error) {
	if options.ListenAddress == "" {
		options.ListenAddress = "127.0.0.1:0"
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: options, logger: options.Logger, registry: prometheus.NewRegistry(), dir: options.Dir}
	s.close = sync.OnceValue(s.shutdown)

	var err error
	if s.listener, err = listenLoopback(options.ListenAddress); err != nil {
		return nil, err
	}
	if err := s.openStorage(); err != nil {
		return nil, errors.Join(err, s.listener.Close(), s.removeOwnDir())
	}
	s.client = NewClient(s.URL())
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	s.running.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("prom: serving ended", "err", err)
		}
	})
	if options.KeepLive > 0 {
		s.running.Go(func() { s.keepLive(ctx, options.KeepLive) })
	}
	return s, nil
}

// listenLoopback listens on address, and only if that is this machine alone:
// nothing here asks who is calling.
func listenLoopback(address string) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("prom: listen address %q: %w", address, err)
	}
	if !resolved.IP.IsLoopback() {
		return nil, fmt.Errorf("prom: listen address %q: not a loopback address", address)
	}
	listener, err := net.ListenTCP("tcp", resolved)
	if err != nil {
		return nil, fmt.Errorf("prom: listen on %s: %w", address, err)
	}
	return listener, nil
}

func (s *Server) openStorage() error {
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "skybridge-prom-")
		if err != nil {
			return fmt.Errorf("prom: make a storage directory: %w", err)
		}
		s.dir, s.ownDir = dir, true
	}
	options := tsdb.DefaultOptions()
	options.RetentionDuration = s.options.Retention.Milliseconds()
	options.OutOfOrderTimeWindow = s.options.OutOfOrderWindow.Milliseconds()
	options.WALCompression = compression.Snappy
	db, err := tsdb.Open(s.dir, s.logger.With("component", "tsdb"), s.registry, options, tsdb.NewDBStats())
	if err != nil {
		return fmt.Errorf("prom: open storage %s: %w", s.dir, err)
	}
	s.db = db

	// Anchored selectors give an increase without extrapolation, which is what
	// exactness is judged by. The engine and the HTTP API each parse.
	s.parser = parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true})
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger:                   s.logger.With("component", "engine"),
		Reg:                      s.registry,
		MaxSamples:               maxSamples,
		Timeout:                  queryTimeout,
		LookbackDelta:            lookbackDelta,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   s.parser,
	})
	return nil
}

// Addr is the host and port that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the server's base URL, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.Addr() }

// WriteURL is where remote-write requests go, 1.0 and 2.0 alike.
func (s *Server) WriteURL() string { return s.URL() + apiPrefix + "/write" }

// Dir is the TSDB's directory.
func (s *Server) Dir() string { return s.dir }

// Client asks this server over HTTP. It is closed with the server.
func (s *Server) Client() *Client { return s.client }

// Registry holds the metrics of the TSDB, the engine and the write handler,
// such as prometheus_tsdb_out_of_order_samples_total.
func (s *Server) Registry() *prometheus.Registry { return s.registry }

// Close ends the server: requests in flight are waited for, for 5 s at most,
// then the storage is closed and, if it is the server's own, removed. Every
// call returns what the first one found.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutdown() error {
	s.stop()
	if s.scraping != nil {
		s.scraping.Stop()
	}
	s.client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownPatience)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		// A request outlasted the patience, or a client holds a connection open
		// on which it never asked anything.
		s.logger.Warn("prom: shutdown", "err", err)
		_ = s.http.Close()
	}
	s.running.Wait()
	err := s.engine.Close()
	if dbErr := s.db.Close(); dbErr != nil {
		err = errors.Join(err, fmt.Errorf("prom: close storage %s: %w", s.dir, dbErr))
	}
	return errors.Join(err, s.removeOwnDir())
}

func (s *Server) removeOwnDir() error {
	if !s.ownDir {
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("prom: remove storage %s: %w", s.dir, err)
	}
	return nil
}
