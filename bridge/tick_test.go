// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/progress"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestTicksAreAligned lets a bridge without a feed tick for a while, and changes
// the push interval in between.
func TestTicksAreAligned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config.Default()
		cfg.Global.PushInterval = 15 * time.Second
		registry := prometheus.NewRegistry()
		logger := slog.New(slog.DiscardHandler)
		time.Sleep(3700 * time.Millisecond) // fake time: begin between two ticks
		a, err := aggregator.New(aggregation(&cfg, nil), time.Now, registry, newSkipped(registry), logger)
		if err != nil {
			t.Fatal(err)
		}
		log, err := queue.Open(logConfig(&cfg), registry, logger)
		if err != nil {
			t.Fatal(err)
		}
		b := &Bridge{
			logger: logger, metrics: newMetrics(registry), clock: newClock(nil), aggregator: a, sampler: newSampler(),
			log: log, cfg: &cfg, changed: make(chan struct{}, 1),
			published: func() {}, ticksDue: progress.NewDeadline(),
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.tickLoop(ctx)
		}()
		expect := func(after, at time.Duration) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := time.UnixMilli(a.LastTick()).Sub(epoch); got != at {
				t.Errorf("last tick at %v, want %v", got, at)
			}
		}
		begun := time.UnixMilli(a.LastTick()).Sub(epoch)
		expect(time.Second, begun) // 4.7 s: none yet
		expect(11*time.Second, 15*time.Second)
		expect(15*time.Second, 30*time.Second)
		b.ticking.Lock()
		cfg.Global.PushInterval = 10 * time.Second
		b.ticking.Unlock()
		b.changed <- struct{}{}
		expect(8*time.Second, 30*time.Second) // 38.7 s
		expect(2*time.Second, 40*time.Second)
		expect(10*time.Second, 50*time.Second)
		cancel()
		<-done
	})
}

// epoch is where the fake clock of synctest begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
