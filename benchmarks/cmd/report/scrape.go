// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/benchmarks/oldway"
	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/bridge/web"
	"github.com/skydive-project/skybridge/bridge/web/status"
)

// scrape is the row of the page: the handler as it is served, into a client that takes
// everything at once.
func (r *report) scrape(ctx context.Context) ([]line, error) {
	side := func(work string) func() (values, error) {
		return func() (values, error) {
			return r.work(ctx, spec{Work: work, Connections: r.sizes.scrapeConnections, Times: r.sizes.scrapes, Begin: worldBegin})
		}
	}
	all, err := r.turns(side("scrape ours"), side("scrape theirs"))
	if err != nil {
		return nil, err
	}
	series := count(float64(5 * r.sizes.scrapeConnections))
	var lines []line
	for _, encoding := range encodings() {
		bar := map[string]float64{"identity": 20, "gzip": 10}[encoding]
		show := func(side []values) string {
			return fmt.Sprintf("%.0f ms CPU (%.0f ms), %.1f MB", 1000*median(side, encoding+" cpu"), 1000*median(side, encoding+" time"), median(side, encoding+" bytes")/1e6)
		}
		ratio := median(all[1], encoding+" cpu") / median(all[0], encoding+" cpu")
		lines = append(lines, line{
			path: fmt.Sprintf("scrape of %s series, %s", series, encoding),
			ours: show(all[0]), against: show(all[1]) + ", promhttp",
			ratio: times(ratio), bar: fmt.Sprintf("%.0f ×", bar), reached: new(ratio >= bar),
		})
	}
	memory, wait := median(all[0], "memory"), median(all[0], "wait")
	return append(lines, line{
		path: "scrape: memory of the first page besides the compressor",
		ours: fmt.Sprintf("%.0f kB", memory/1000), against: fmt.Sprintf("%.0f kB, promhttp", median(all[1], "memory")/1000),
		ratio: times(median(all[1], "memory") / memory), bar: "64 kB", reached: new(memory <= 64<<10),
	}, line{
		path: "scrape: longest wait of ingest meanwhile",
		ours: fmt.Sprintf("%.2f ms (99.9 %% within %.2f ms)", 1000*wait, 1000*median(all[0], "mostly")), against: fmt.Sprintf("%.2f ms without a scrape", 1000*median(all[0], "wait alone")),
		bar: "5 ms", reached: new(wait <= 0.005),
	}), nil
}

func encodings() []string { return []string{"identity", "gzip"} }

func (w *worker) scrapeOurs(ctx context.Context) (values, error) {
	a, err := crowded(w.Connections, &world.World{Begin: w.Begin})
	if err != nil {
		return nil, err
	}
	handler, err := page(a)
	if err != nil {
		return nil, err
	}
	out, err := w.scrapeWith(handler)
	if err != nil {
		return nil, err
	}
	waits := waits{a: a, w: &world.World{Begin: w.Begin}}
	pages := time.Duration((out["identity time"] + out["gzip time"]) * float64(w.Times) * float64(time.Second))
	quiet, cancel := context.WithTimeout(ctx, pages)
	defer cancel()
	out["wait alone"], _ = waits.measure(quiet)
	busy, scraped := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { out["wait"], out["mostly"] = waits.measure(busy) })
	for range w.Times {
		for _, encoding := range encodings() {
			if _, err = get(handler, encoding); err != nil {
				break
			}
		}
	}
	scraped()
	beside.Wait()
	return out, err
}

// crowded returns an aggregator without durable state that has sampled n connections.
func crowded(n int, w *world.World) (*aggregator.Aggregator, error) {
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped", Help: "Records that do not count."}, []string{"reason"})
	a, err := aggregator.New(aggregation(n), time.Now, prometheus.NewRegistry(), skipped, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	a.AnalyzerUp("a")
	var flows world.Flows
	for id := 0; id < n; id += world.MessageFlows {
		a.Update(flows.Fill(w, id, min(world.MessageFlows, n-id), 0))
	}
	at := onGrid(a.LastTick())
	for range 3 { // counters begin with the third tick on the grid
		at += tickInterval.Milliseconds()
		a.Tick(at, tickInterval, nobody{})
		a.Publish()
	}
	return a, nil
}

const tickInterval = 15 * time.Second

// onGrid returns the latest time of a tick up to ms.
func onGrid(ms int64) int64 { return ms - ms%tickInterval.Milliseconds() }

// nobody takes what a tick samples and does nothing with it.
type nobody struct{}

func (nobody) Connections([]aggregator.Point)         {}
func (nobody) Captures([]aggregator.CapturePoint)     {}
func (nobody) Interfaces([]aggregator.InterfacePoint) {}

// page returns the bridge's own handler of a page of connections.
func page(a *aggregator.Aggregator) (http.Handler, error) {
	s, err := web.New(web.Options{
		ListenAddress: "127.0.0.1:0", Source: a,
		Gatherer: prometheus.NewRegistry(), Registerer: prometheus.NewRegistry(),
		Healthy: func() (bool, string) { return true, "healthy" },
		Ready:   func() (bool, string) { return true, "ready" },
		State:   func() status.Status { return status.Status{} },
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	return s.Handler(), nil
}

func (w *worker) scrapeTheirs(context.Context) (values, error) {
	c, world := oldway.New(), world.World{Begin: w.Begin}
	var message []byte
	for id := 0; id < w.Connections; id += 100 {
		message = world.AppendMessage(message[:0], id, min(100, w.Connections-id), 0)
		if _, err := c.Store(message); err != nil {
			return nil, err
		}
	}
	return w.scrapeWith(c.Handler())
}

// scrapeWith measures pages of a handler.
func (w *worker) scrapeWith(h http.Handler) (values, error) {
	out := values{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := get(h, "identity"); err != nil {
		return nil, err
	}
	runtime.ReadMemStats(&after)
	out["memory"] = float64(after.TotalAlloc - before.TotalAlloc)
	for _, encoding := range encodings() {
		size, err := get(h, encoding)
		if err != nil {
			return nil, err
		}
		out[encoding+" bytes"] = float64(size)
		runtime.GC()
		began, m := time.Now(), newMeter("")
		m.begin()
		for range w.Times {
			if _, err := get(h, encoding); err != nil {
				return nil, err
			}
		}
		m.end()
		if m.err != nil {
			return nil, m.err
		}
		out[encoding+" cpu"] = m.used.Seconds() / float64(w.Times)
		out[encoding+" time"] = time.Since(began).Seconds() / float64(w.Times)
	}
	return out, nil
}

// get asks a handler for its page.
func get(h http.Handler, encoding string) (size int64, err error) {
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	req.Header.Set("Accept-Encoding", encoding)
	d := &discard{header: http.Header{}}
	h.ServeHTTP(d, req)
	if status := cmp.Or(d.status, http.StatusOK); status != http.StatusOK || d.size == 0 {
		return 0, fmt.Errorf("a page has status %d and %d bytes", status, d.size)
	}
	return d.size, nil
}

// waits measures how long ingest waits for others.
type waits struct {
	a *aggregator.Aggregator
	w *world.World
	f world.Flows
}

// measure counts single flows until ctx is done and returns how long the slowest took,
// and the slowest but for one in a thousand: its own microsecond, and what it waited for
// a lock or a processor.
func (w *waits) measure(ctx context.Context) (longest, mostly float64) {
	var took []time.Duration
	pause := time.NewTicker(200 * time.Microsecond)
	defer pause.Stop()
	for round := 1; ; round++ {
		flows := w.f.Fill(w.w, 0, 1, round)
		began := time.Now()
		w.a.Update(flows)
		took = append(took, time.Since(began))
		select {
		case <-ctx.Done():
			slices.Sort(took)
			return took[len(took)-1].Seconds(), took[len(took)*999/1000].Seconds()
		case <-pause.C:
		}
	}
}
