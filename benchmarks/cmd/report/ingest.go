// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skydive-project/skybridge/benchmarks/oldway"
	"github.com/skydive-project/skybridge/internal/await"
)

// ingest is the row from the feed's socket to the counters: WebSocket, decoder, journal
// on disk, aggregator.
func (r *report) ingest(ctx context.Context) ([]line, error) {
	side := func(work string) func() (values, error) {
		return func() (values, error) { return r.fed(ctx, work, r.sizes.ingestConnections, r.sizes.ingestRounds) }
	}
	all, err := r.turns(side(theBridge), side(oldConnector))
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

// updatesMetric counts the updates that a side has taken.
const updatesMetric = "skybridge_updates_received_total"

// fed measures a side to which all connections report once, and then so many times that
// count. Then it is scraped once.
func (r *report) fed(ctx context.Context, work string, connections, rounds int) (values, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration((rounds+1)*connections)*time.Second/updatesPerSecond+2*time.Minute)
	defer cancel()
	return r.side(ctx, spec{Work: work, Connections: connections, Interval: 15 * time.Second}, func(x *side) (values, error) {
		round := 0
		until := func(last int) (time.Duration, error) {
			for ; round <= last; round++ {
				if err := x.report(x.alive, round, updatesPerSecond); err != nil {
					return 0, err
				}
			}
			err := await.Wait(x.alive, func() (bool, string) {
				got, err := await.Scrape(x.alive, x.url(), updatesMetric)
				return err == nil && int(got) == round*connections, fmt.Sprintf("%v updates of %d (%v)", got, round*connections, err)
			})
			if err != nil {
				return 0, err
			}
			return cpu(x.pid())
		}
		known, err := until(0)
		if err != nil {
			return nil, err
		}
		counted, err := until(rounds)
		if err != nil {
			return nil, err
		}
		if err := get(ctx, x.url()+"/metrics"); err != nil {
			return nil, err
		}
		_, most, err := resident(x.pid())
		return values{
			"per update":     (counted - known).Seconds() / float64(rounds*connections),
			"per connection": (most - x.base) / float64(connections),
		}, err
	})
}

// get reads a page and throws it away.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// ingestOld is the old connector's way. How many updates it has stored is on a page by
// itself, as the bridge has it.
func (s spec) ingestOld(ctx context.Context) error {
	header := http.Header{"X-Client-Type": {"prom_sky_con"}, "X-Host-ID": {"worker"}, "X-Websocket-Namespace": {"flow"}}
	conn, answer, err := websocket.DefaultDialer.DialContext(ctx, s.Feed, header)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	_ = answer.Body.Close() // empty
	defer func() { _ = conn.Close() }()
	context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read
	c, self := oldway.New(), prometheus.NewRegistry()
	stored := prometheus.NewCounter(prometheus.CounterOpts{Name: updatesMetric, Help: "Flow records stored."})
	self.MustRegister(stored)
	pages := &http.Server{Addr: s.Address, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("collect[]") {
			promhttp.HandlerFor(self, promhttp.HandlerOpts{}).ServeHTTP(w, r)
		} else {
			c.Handler().ServeHTTP(w, r)
		}
	})}
	served := make(chan error, 1)
	go func() { served <- pages.ListenAndServe() }()
	defer func() { _ = pages.Close() }()
	for {
		_, message, err := conn.ReadMessage()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the feed: %w", err)
		}
		n, err := c.Store(message)
		if err != nil {
			return err
		}
		stored.Add(float64(n))
		select {
		case err := <-served:
			return errors.Join(errors.New("no pages are served"), err)
		default:
		}
	}
}
