// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/bridge/skydive/decode"
)

// growth is the row of what a connection costs where there are more of them.
func (r *report) growth(ctx context.Context) ([]line, error) {
	all, err := r.turns(func() (values, error) {
		return r.work(ctx, spec{Work: "growth", Sizes: r.sizes.growth, Updates: 2 * r.sizes.growth[len(r.sizes.growth)-1], Begin: worldBegin})
	})
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, part := range []string{growthAll, growthDecode, growthUpdate, growthTick, growthScrape} {
		var costs []float64
		var names, texts []string
		for _, n := range r.sizes.growth {
			costs = append(costs, median(all[0], grown(part, n)))
			names = append(names, count(float64(n)))
			texts = append(texts, fmt.Sprintf("%.0f", costs[len(costs)-1]*1e9))
		}
		ratio := costs[len(costs)-1] / costs[0]
		l := line{
			path: fmt.Sprintf("growth: %s, ns a connection at %s", part, strings.Join(names, " / ")),
			ours: strings.Join(texts, " / "), against: "itself", ratio: times(ratio),
		}
		if part == growthAll {
			l.bar, l.reached = "1.3 ×", new(ratio <= 1.3)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// What is measured of a connection. All is what it costs in a minute.
const (
	growthAll    = "a minute (an update, decoded and counted; 4 ticks, 4 scrapes)"
	growthDecode = "of it decode"
	growthUpdate = "of it update"
	growthTick   = "of it a tick"
	growthScrape = "of it a scrape"
)

func grown(part string, n int) string { return fmt.Sprint(part, " ", n) }

func (w *worker) growth(ctx context.Context) (values, error) {
	out := values{}
	for _, n := range w.Sizes {
		if ctx.Err() != nil {
			return nil, errStopped
		}
		if err := w.grow(n, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// grow measures with n connections.
func (w *worker) grow(n int, out values) error {
	quiet := slog.New(slog.DiscardHandler)
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped", Help: "Records that do not count."}, []string{"reason"})
	a, err := aggregator.New(aggregation(n), time.Now, prometheus.NewRegistry(), skipped, quiet)
	if err != nil {
		return err
	}
	if _, err := a.Recover(aggregator.StateConfig{Dir: filepath.Join(w.Dir, fmt.Sprint(n)), LastTick: -1}, quiet); err != nil {
		return err
	}
	a.AnalyzerUp("a")
	crowd := world.World{Begin: w.Begin}
	var flows world.Flows
	report := func(round int, count bool) {
		for id := 0; id < n; id += world.MessageFlows {
			if part := flows.Fill(&crowd, id, min(world.MessageFlows, n-id), round); count {
				a.Update(part)
			}
		}
	}
	at := onGrid(a.LastTick())
	tick := func() {
		at += tickInterval.Milliseconds()
		a.Tick(at, tickInterval, nobody{})
		a.Sync()
		a.Publish()
	}
	report(0, true)
	for range 3 { // counters begin with the third tick on the grid
		tick()
	}
	rounds := max(1, w.Updates/n)
	making, err := spent(func() error {
		for round := range rounds {
			report(round+1, false)
		}
		return nil
	})
	if err != nil {
		return err
	}
	counting, err := spent(func() error {
		for round := range rounds {
			report(round+1, true)
			a.Sync()
		}
		return nil
	})
	if err != nil {
		return err
	}
	ticking, err := spent(func() error {
		for range rounds {
			tick()
		}
		return nil
	})
	if err != nil {
		return err
	}
	handler, err := page(a)
	if err != nil {
		return err
	}
	scraping, err := spent(func() error {
		for range rounds {
			if _, err := get(handler, "identity"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	decoding, err := decodingOf(&crowd, n, rounds)
	if err != nil {
		return err
	}
	each := float64(n * rounds)
	out[grown(growthDecode, n)] = decoding.Seconds() / each
	out[grown(growthUpdate, n)] = (counting - making).Seconds() / each
	out[grown(growthTick, n)] = ticking.Seconds() / each
	out[grown(growthScrape, n)] = scraping.Seconds() / each
	out[grown(growthAll, n)] = (decoding + counting - making + 4*ticking + 4*scraping).Seconds() / each
	return errors.Join(a.Trouble(), a.Close())
}

// decodingOf is the CPU time to decode the messages of a crowd.
func decodingOf(crowd *world.World, n, rounds int) (time.Duration, error) {
	var m decode.Message
	var message []byte
	play := func(decoding bool) (time.Duration, error) {
		return spent(func() error {
			for round := range rounds {
				for id := 0; id < n; id += world.MessageFlows {
					message = crowd.AppendMessage(message[:0], id, min(world.MessageFlows, n-id), round+1)
					if !decoding {
						continue
					}
					if err := decode.Decode(message, &m); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	making, err := play(false)
	if err != nil {
		return 0, err
	}
	both, err := play(true)
	return both - making, err
}

// spent is the CPU time that something takes, on a heap that was just collected.
func spent(work func() error) (time.Duration, error) {
	runtime.GC()
	m := newMeter("")
	m.begin()
	err := work()
	m.end()
	return m.used, errors.Join(err, m.err)
}
