// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/benchmarks/oldway"
	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/bridge/skydive"
	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/secrets"
)

// ingest is the row from the feed's socket to the counters: WebSocket, decoder, journal
// on disk, aggregator.
func (r *report) ingest(ctx context.Context) ([]line, error) {
	side := func(work string) func() (values, error) {
		return func() (values, error) {
			return r.fed(ctx, spec{Work: work, Connections: r.sizes.ingestConnections, Rounds: r.sizes.ingestRounds})
		}
	}
	all, err := r.turns(side("ours"), side("old"))
	if err != nil {
		return nil, err
	}
	ours, old := 1/median(all[0], "per update"), 1/median(all[1], "per update")
	return []line{{
		path:    fmt.Sprintf("feed to counters (%s live connections): updates/s/core", count(float64(r.sizes.ingestConnections))),
		ours:    fmt.Sprintf("%s (%.2f µs)", count(ours), 1e6/ours),
		against: fmt.Sprintf("%s (%.2f µs), the old connector", count(old), 1e6/old),
		ratio:   times(ours / old), bar: "10 ×; 5 × and 300,000 at least",
		reached: new(ours/old >= 10 && ours >= 300_000),
	}}, nil
}

// updatesPerSecond is how fast a feed reports where nothing else is said: no side needs
// more than a core for it, and the bridge drops nothing.
const updatesPerSecond = 30_000

// fed runs a worker with a feed of its own, which reports all connections once and then
// Rounds times.
func (r *report) fed(ctx context.Context, s spec) (values, error) {
	dir, remove, err := r.disk()
	if err != nil {
		return nil, err
	}
	defer remove()
	feed, err := analyzer.Start(analyzer.Config{})
	if err != nil {
		return nil, err
	}
	defer feed.Stop()
	s.Dir, s.Feed = dir, feed.URL()
	ctx, cancel := context.WithTimeout(ctx, time.Duration((s.Rounds+1)*s.Connections)*time.Second/updatesPerSecond+2*time.Minute)
	defer cancel()
	c, err := r.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	begin := time.Now().Add(-time.Minute).UnixMilli()
	for round := range s.Rounds + 1 {
		if err = send(ctx, feed, begin, s.Connections, round, updatesPerSecond); err != nil {
			_ = c.stop()
			return nil, err
		}
	}
	return c.result()
}

// send lets n connections report once to the subscriber of a feed, which it waits for:
// so many a second.
func send(ctx context.Context, feed *analyzer.Analyzer, begin int64, n, round, perSecond int) error {
	if err := feed.WaitSubscribers(ctx, 1); err != nil {
		return err
	}
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	began := time.Now()
	for sent := 0; sent < n; {
		for due := min(n, int(float64(perSecond)*time.Since(began).Seconds())); sent < due; {
			flows := world.Flows(begin, sent, min(world.MessageFlows, n-sent), round)
			feed.SendFlows(flows)
			sent += len(flows)
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// counted is a sink that says when all connections are known, and when all is counted.
type counted struct {
	*aggregator.Aggregator
	updates, known, all int64
	begin, end          func()
}

// Update implements skydive.Sink.
func (c *counted) Update(flows []aggregator.Flow) {
	c.Aggregator.Update(flows)
	before := c.updates
	c.updates += int64(len(flows))
	if before < c.known && c.updates >= c.known {
		c.begin()
	}
	if before < c.all && c.updates >= c.all {
		c.end()
	}
}

// ingestOurs counts by what a bridge consists of up to its counters.
func (s spec) ingestOurs(ctx context.Context) (values, error) {
	registry, quiet := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped", Help: "Records that do not count."}, []string{"reason"})
	a, err := aggregator.New(aggregator.Config{
		Labels:            []string{"initiator_ip", "target_ip", "initiator_port", "target_port", "direction", "node_tid", "protocol"},
		ConnectionTimeout: time.Minute, FlowRetention: 30 * time.Minute,
		MaxSeries: 10 * s.Connections, MaxFlows: 10 * s.Connections, Ports: "keep",
	}, time.Now, registry, skipped, quiet)
	if err != nil {
		return nil, err
	}
	if _, err := a.OpenState(aggregator.StateConfig{Dir: filepath.Join(s.Dir, "state"), LastTick: -1}, quiet); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var began, ended atomic.Int64 // CPU time
	self := func() int64 { used, _ := cpu(os.Getpid()); return int64(used) }
	sink := &counted{
		Aggregator: a, known: int64(s.Connections), all: int64((s.Rounds + 1) * s.Connections),
		begin: func() { began.Store(self()) },
		// What is counted but not on disk yet is not done.
		end: func() { a.Sync(); ended.Store(self()); cancel() },
	}
	feed, err := skydive.NewFeed(skydive.Config{Analyzers: []string{s.Feed}, HostID: "worker", Account: access.Account{Secrets: secrets.New()}}, sink, skipped, registry, quiet)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(feed.Run(ctx), a.Failure()); err != nil {
		return nil, err
	}
	series := a.Status().Series
	if err := a.Close(); err != nil {
		return nil, err
	}
	if ended.Load() == 0 || series != 5*s.Connections {
		return nil, fmt.Errorf("stopped at %d updates of %d, with %d series", sink.updates, sink.all, series)
	}
	return s.perUpdate(time.Duration(ended.Load() - began.Load())), nil
}

func (s spec) perUpdate(used time.Duration) values {
	return values{"per update": used.Seconds() / float64(s.Rounds*s.Connections)}
}

// ingestOld is the old connector's way. It is scraped once, as it always is, for the row
// memory.
func (s spec) ingestOld(ctx context.Context) (values, error) {
	header := http.Header{"X-Client-Type": {"prom_sky_con"}, "X-Host-ID": {"worker"}, "X-Websocket-Namespace": {"flow"}}
	conn, answer, err := websocket.DefaultDialer.DialContext(ctx, s.Feed, header)
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	_ = answer.Body.Close() // empty
	defer func() { _ = conn.Close() }()
	context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read
	before, _, err := resident(os.Getpid())
	if err != nil {
		return nil, err
	}
	c, began := oldway.New(), time.Duration(0)
	for updates := 0; updates < (s.Rounds+1)*s.Connections; {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return nil, fmt.Errorf("stopped at %d updates: %w", updates, err)
		}
		n, err := c.Store(message)
		if err != nil {
			return nil, err
		}
		if updates += n; began == 0 && updates >= s.Connections {
			if began, err = cpu(os.Getpid()); err != nil {
				return nil, err
			}
		}
	}
	ended, err := cpu(os.Getpid())
	if err != nil {
		return nil, err
	}
	page := httptest.NewRecorder()
	page.Body = nil
	c.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	_, most, err := resident(os.Getpid())
	if err != nil {
		return nil, err
	}
	v := s.perUpdate(ended - began)
	v["per connection"] = (most - before) / float64(s.Connections)
	return v, nil
}
