// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
)

// tickLoop samples all series at every multiple of the push interval, until ctx
// is done.
func (b *Bridge) tickLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for behind := false; ; {
		b.ticking.Lock()
		interval := b.cfg.Global.PushInterval
		b.ticking.Unlock()
		// Round strips the monotonic clock reading: ticks are aligned to wall time,
		// and a wall clock that is set meanwhile is looked at again on waking.
		now := time.Now().Round(0)
		timer.Reset(now.Truncate(interval).Add(interval).Sub(now))
		select {
		case <-ctx.Done():
			return
		case <-b.changed: // the interval, perhaps
		case <-timer.C:
		}
		b.ticking.Lock()
		at := time.Now().Truncate(b.cfg.Global.PushInterval).UnixMilli()
		last := b.aggregator.LastTick()
		if at >= last+aggregator.MinTickGap {
			b.tick(at)
			behind = false
		} else if !behind && at <= last-interval.Milliseconds() {
			behind = true
			b.logger.Warn("the clock went back; no samples until it has passed the last ones",
				"last", time.UnixMilli(last), "now", time.Now())
		}
		b.ticking.Unlock()
	}
}

// tick samples every series for the given time in milliseconds and hands the
// samples to the log. The caller holds ticking.
func (b *Bridge) tick(at int64) {
	started := time.Now()
	b.sampler.tick = b.log.Begin(at)
	b.aggregator.Tick(at, b.cfg.Global.PushInterval, b.sampler)
	// First what the samples say is made durable, then that they are sent: a crash
	// in between takes the tick back, and nothing of it was seen.
	b.aggregator.Sync()
	if err := b.log.Append(b.sampler.tick); err != nil {
		b.logger.Error("a tick was not queued", "at", time.UnixMilli(at), "err", err)
	}
	b.sampler.tick = nil
	if b.log.Trouble() != nil {
		b.aggregator.MayBeOut()
	}
	b.aggregator.Publish()
	b.metrics.ticks.Inc()
	b.metrics.tickSeconds.Observe(time.Since(started).Seconds())
}

// tickNow is a tick at this moment, or as soon after the last one as can be. The
// caller holds ticking.
func (b *Bridge) tickNow() {
	b.tick(max(time.Now().UnixMilli(), b.aggregator.LastTick()+aggregator.MinTickGap))
}

// endAll ends every series with its latest values. The caller holds ticking, and
// lets no update in.
func (b *Bridge) endAll() {
	for b.aggregator.EndAll() > 0 {
		b.tickNow()
	}
}
