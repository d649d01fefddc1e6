// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package promsender is Prometheus' own way from a sample to a receiver, put together
// as the server in agent mode does: tsdb/agent writes the samples into its log,
// storage/remote reads that and sends them.
package promsender

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb/agent"
	"github.com/prometheus/prometheus/util/compression"
)

// Options say where samples go and how.
type Options struct {
	Dir, URL string
	// Version2 sends remote-write 2.0, with the start timestamps of counters.
	Version2 bool
	// BatchDeadline is how long an incomplete batch waits for more.
	BatchDeadline  time.Duration
	ExternalLabels labels.Labels
	Logger         *slog.Logger
}

// Sender is a running agent. Its methods are for one goroutine.
type Sender struct {
	remote *remote.Storage
	db     *agent.DB
	wal    string
	series []series
}

type series struct {
	labels  labels.Labels
	ref     storage.SeriesRef
	counter bool
}

// Open starts a sender without series.
func Open(o Options) (*Sender, error) {
	target, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("prometheus' sender: %w", err)
	}
	registry := prometheus.NewRegistry()
	rs := remote.NewStorage(o.Logger, registry, func() (int64, error) { return 0, nil }, o.Dir, time.Minute, nil, false)
	opts := agent.DefaultOptions()
	opts.WALCompression = compression.Snappy // as the server does by default
	opts.EnableSTStorage = o.Version2
	db, err := agent.Open(o.Logger, registry, rs, o.Dir, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prometheus' sender: %w", err), rs.Close())
	}
	db.SetWriteNotified(rs)
	s := &Sender{remote: rs, db: db, wal: filepath.Join(o.Dir, "wal")}
	write := promconfig.DefaultRemoteWriteConfig
	write.URL = &config.URL{URL: target}
	write.Name = "receiver"
	write.MetadataConfig.Send = false // there is no scraper that it could come from
	write.QueueConfig.BatchSendDeadline = model.Duration(o.BatchDeadline)
	if o.Version2 {
		write.ProtobufMessage = remoteapi.WriteV2MessageType
	}
	cfg := &promconfig.Config{GlobalConfig: promconfig.DefaultGlobalConfig, RemoteWriteConfigs: []*promconfig.RemoteWriteConfig{&write}}
	cfg.GlobalConfig.ExternalLabels = o.ExternalLabels
	if err := rs.ApplyConfig(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("prometheus' sender: %w", err), s.Close())
	}
	return s, nil
}

// Add adds a series, a counter or a gauge.
func (s *Sender) Add(l labels.Labels, counter bool) {
	s.series = append(s.series, series{labels: l, counter: counter})
}

// Tick appends a sample of each series for the time at (ms) and makes them durable.
// What the appender remembers of a series is used, as a scrape loop does. Counters
// began at start (ms).
func (s *Sender) Tick(start, at int64, value float64) error {
	app := s.db.AppenderV2(context.Background())
	for i := range s.series {
		x := &s.series[i]
		began := start
		if !x.counter {
			began = 0
		}
		var err error
		if x.ref, err = app.Append(x.ref, x.labels, began, at, value+float64(i), nil, nil, storage.AOptions{}); err != nil {
			return errors.Join(fmt.Errorf("prometheus' sender: append: %w", err), app.Rollback())
		}
	}
	if err := app.Commit(); err != nil {
		return fmt.Errorf("prometheus' sender: commit: %w", err)
	}
	return s.sync()
}

// sync syncs the log's last segment, which Prometheus does not do at a commit.
func (s *Sender) sync() error {
	entries, err := os.ReadDir(s.wal)
	if err != nil {
		return fmt.Errorf("prometheus' sender: sync: %w", err)
	}
	var segments []string
	for _, e := range entries {
		if !e.IsDir() {
			segments = append(segments, e.Name())
		}
	}
	f, err := os.Open(filepath.Join(s.wal, slices.Max(segments)))
	if err != nil {
		return fmt.Errorf("prometheus' sender: sync: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close ends the sender; what it has not sent by then it may not send.
func (s *Sender) Close() error { return errors.Join(s.remote.Close(), s.db.Close()) }
