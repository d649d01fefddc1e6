// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

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
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

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
