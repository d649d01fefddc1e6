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
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/benchmarks/oldway"
	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/bridge/skydive"
)

// ingest is the row from the feed's socket to the counters: WebSocket, decoder, journal
// on disk, aggregator.
func (r *report) ingest(ctx context.Context) ([]line, error) {
	side := func(work string) func() (values, error) {
		return func() (values, error) { return r.fed(ctx, r.ingestSpec(work)) }
	}
	all, err := r.turns(side("ingest ours"), side("ingest theirs"))
	if err != nil {
		return nil, err
	}
	ours, theirs := 1/median(all[0], "per update"), 1/median(all[1], "per update")
	return []line{{
		path:    fmt.Sprintf("feed to counters (%s live connections): updates/s/core", count(float64(r.sizes.ingestConnections))),
		ours:    fmt.Sprintf("%s (%.2f µs)", count(ours), 1e6/ours),
		against: fmt.Sprintf("%s (%.2f µs), the old connector", count(theirs), 1e6/theirs),
		ratio:   times(ours / theirs), bar: "10 ×; 5 × and 300,000 at least",
		reached: new(ours/theirs >= 10 && ours >= 300_000),
	}}, nil
}

func (r *report) ingestSpec(work string) spec {
	n := r.sizes.ingestConnections
	return spec{Work: work, Connections: n, Warm: n, Updates: n * r.sizes.ingestRounds, Begin: worldBegin}
}

// worldBegin is when the connections of a world began that has no need of the time of
// day.
const worldBegin = 1_700_000_000_000

// fed runs a worker with a feed of its own that sends Warm and then Updates updates of
// its connections.
func (r *report) fed(ctx context.Context, s spec) (values, error) {
	dir, remove, err := r.disk()
	if err != nil {
		return nil, err
	}
	defer remove()
	feed, err := startFeed()
	if err != nil {
		return nil, err
	}
	defer feed.stop()
	s.Dir, s.Feed = dir, feed.url()
	c, err := r.start(ctx, s)
	if err != nil {
		return nil, err
	}
	subscriber, err := feed.next(ctx, c)
	if err == nil {
		w := world.World{Begin: s.Begin}
		err = sendRounds(ctx, &w, subscriber, c, s.Connections, 0, (s.Warm+s.Updates)/s.Connections)
	}
	if err != nil {
		_, ended := c.stop()
		return nil, errors.Join(err, ended)
	}
	return c.wait()
}

// counted is a sink that counts what has been counted, and takes the time when the part
// that is measured begins and ends.
type counted struct {
	*aggregator.Aggregator
	updates     atomic.Int64
	warm, total int64
	begin, end  func()
}

// Update implements skydive.Sink.
func (c *counted) Update(flows []aggregator.Flow) {
	c.Aggregator.Update(flows)
	before := c.updates.Load()
	switch now := c.updates.Add(int64(len(flows))); {
	case before < c.warm && now >= c.warm:
		c.begin()
	case now >= c.total && before < c.total:
		c.end()
	}
}

func (w *worker) ingestOurs(ctx context.Context) (values, error) {
	registry := prometheus.NewRegistry()
	quiet := slog.New(slog.DiscardHandler)
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped", Help: "Records that do not count."}, []string{"reason"})
	a, err := aggregator.New(aggregation(w.Connections), time.Now, registry, skipped, quiet)
	if err != nil {
		return nil, err
	}
	if _, err := a.Recover(aggregator.StateConfig{Dir: filepath.Join(w.Dir, "state"), LastTick: -1}, quiet); err != nil {
		return nil, err
	}
	meter, done := newMeter(w.Profile), make(chan struct{})
	sink := &counted{
		Aggregator: a, warm: int64(w.Warm), total: int64(w.Warm + w.Updates),
		begin: meter.begin,
		// What is counted but not on disk yet is not done.
		end: func() { a.Sync(); meter.end(); close(done) },
	}
	feed, err := skydive.NewFeed(skydive.Config{Analyzers: []string{w.Feed}, HostID: "worker"}, sink, skipped, registry, quiet)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go w.progress(ctx, sink.updates.Load)
	ran := make(chan error, 1)
	go func() { ran <- feed.Run(ctx) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	cancel()
	if err := errors.Join(<-ran, a.Trouble()); err != nil {
		return nil, err
	}
	series := a.Status().Series
	if err := errors.Join(meter.err, a.Close()); err != nil {
		return nil, err
	}
	if sink.updates.Load() < sink.total {
		return nil, errStopped
	}
	if want := 5 * w.Connections; series != want {
		return nil, fmt.Errorf("%d series are counted, want %d", series, want)
	}
	return values{"per update": meter.used.Seconds() / float64(w.Updates)}, nil
}

// aggregation is the configuration as shipped, with room for n connections.
func aggregation(n int) aggregator.Config {
	return aggregator.Config{
		Labels:            []string{"initiator_ip", "target_ip", "initiator_port", "target_port", "direction", "node_tid", "protocol"},
		ConnectionTimeout: time.Minute, FlowRetention: 30 * time.Minute,
		MaxSeries: 10 * n, MaxFlows: 10 * n, Ports: "keep",
	}
}

func (w *worker) ingestTheirs(ctx context.Context) (values, error) {
	header := http.Header{"X-Client-Type": {"prom_sky_con"}, "X-Host-ID": {"worker"}, "X-Websocket-Namespace": {"flow"}}
	conn, answer, err := websocket.DefaultDialer.DialContext(ctx, w.Feed, header)
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	_ = answer.Body.Close() // empty
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read
	var updates atomic.Int64
	go w.progress(ctx, updates.Load)

	before, _, err := residentNow()
	if err != nil {
		return nil, err
	}
	c, meter := oldway.New(), newMeter("")
	for updates.Load() < int64(w.Warm+w.Updates) {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return nil, errors.Join(errStopped, err)
		}
		n, err := c.Store(message)
		if err != nil {
			return nil, err
		}
		if was := updates.Add(int64(n)) - int64(n); was < int64(w.Warm) && updates.Load() >= int64(w.Warm) {
			meter.begin()
		}
	}
	meter.end()
	if c.Connections() != w.Connections {
		return nil, fmt.Errorf("the old way has %d connections, want %d", c.Connections(), w.Connections)
	}
	// It is scraped once, as it always is, for the row memory.
	c.Handler().ServeHTTP(&discard{header: http.Header{}}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	_, most, err := residentNow()
	if err != nil {
		return nil, err
	}
	return values{
		"per update":     meter.used.Seconds() / float64(w.Updates),
		"per connection": (most - before) / float64(w.Connections),
	}, meter.err
}

// discard is a ResponseWriter without a connection.
type discard struct {
	header http.Header
	size   int64
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { d.size += int64(len(b)); return len(b), nil }
