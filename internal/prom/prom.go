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
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
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

// Addr is the host and port that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the server's base URL, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.Addr() }

// WriteURL is where remote-write requests go, 1.0 and 2.0 alike.
func (s *Server) WriteURL() string { return s.URL() + apiPrefix + "/write" }

// Handler is what serves all of that, for a caller in this process.
func (s *Server) Handler() http.Handler { return s.http.Handler }

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
