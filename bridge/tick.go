// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// tickLoop samples all series at every multiple of the push interval, until ctx
// is done.
func (b *Bridge) tickLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		b.ticksDue.Busy() // the lock may be held by a reload that does not end
		b.ticking.Lock()
		interval := b.cfg.Global.PushInterval.Milliseconds()
		b.ticking.Unlock()
		b.ticksDue.Idle()
		// Ticks are aligned to the time of day, which is read again after the wait.
		now := b.clock.now()
		next := aggregator.OnGrid(now.UnixMilli(), interval) + interval
		timer.Reset(time.UnixMilli(next).Sub(now))
		select {
		case <-ctx.Done():
			return
		case <-b.changed: // the interval, perhaps
		case <-timer.C:
		}
		b.ticksDue.Busy()
		b.ticking.Lock()
		b.checkClock()
		if at := aggregator.OnGrid(b.clock.now().UnixMilli(), b.cfg.Global.PushInterval.Milliseconds()); at >= b.aggregator.LastTick()+aggregator.MinTickGap {
			b.tick(at)
		} else if b.wait() > 0 {
			b.replica.Pass(b.log.Trouble() == nil)
		}
		b.ticking.Unlock()
		b.ticksDue.Idle()
	}
}

// maxAhead is how far ahead of the clock a reload makes ticks: four of the longest intervals.
const maxAhead = 16 * time.Minute

// checkClock logs that the clock was set, and that ticks wait after it was set back: samples
// that are not later than the last ones would be refused as out of order. Waiting loses
// nothing, for counting continues. The caller holds ticking.
func (b *Bridge) checkClock() {
	if by := b.clock.step(); by != 0 {
		b.metrics.clockSet(by)
		b.logger.Warn("the clock was set, or the machine was asleep", "by", by.Round(time.Millisecond), "now", b.clock.now())
	}
	left := b.wait()
	switch {
	case left > 0 && !b.clock.waiting:
		b.clock.waiting = true
		b.logger.Warn("the last samples are ahead of the clock; no samples until it has passed them, while counting continues",
			"last", time.UnixMilli(b.aggregator.LastTick()).UTC(), "now", b.clock.now(), "wait", left.Round(time.Second))
	case left == 0 && b.clock.waiting:
		b.clock.waiting = false
		b.logger.Info("the clock has passed the last samples; pushing continues", "now", b.clock.now())
	}
}

// wait is how long there is no tick because the last one is ahead of the clock. A second is
// allowed, for ticks out of turn are some milliseconds apart whatever the clock says, and so
// are ticks that endAll made ahead of the clock.
func (b *Bridge) wait() time.Duration {
	last := b.aggregator.LastTick()
	left := time.UnixMilli(last).Sub(b.clock.now())
	if left <= time.Second || (last == b.ahead.Load() && left <= maxAhead) {
		return 0
	}
	return left
}

// tick samples every series for the given time in milliseconds and hands the
// samples to the log. The caller holds ticking.
func (b *Bridge) tick(at int64) {
	started := time.Now()
	b.queueTick(at, func(emit aggregator.Emitter) { b.replica.Tick(at, b.cfg.Global.PushInterval, emit) })
	b.replica.Publish(b.log.Trouble() == nil)
	b.published()
	b.metrics.ticks.Inc()
	b.metrics.tickSeconds.Observe(time.Since(started).Seconds())
}

// queueTick hands the samples of a tick to the log. The tick is durable before them: after a
// crash in between it is made once more.
func (b *Bridge) queueTick(at int64, sample func(aggregator.Emitter)) {
	b.sampler.tick = b.log.Begin(at)
	sample(b.sampler)
	err := b.log.Append(b.sampler.tick)
	if errors.Is(err, queue.ErrUndurable) {
		b.log.Publish()
	} else if err != nil {
		b.logger.Error("a tick was not queued", "at", time.UnixMilli(at), "err", err)
	}
	b.sampler.tick = nil
}

// tickNow makes a tick now, or as soon after the last one as possible. The caller holds ticking.
func (b *Bridge) tickNow() {
	b.tick(max(b.clock.now().UnixMilli(), b.aggregator.LastTick()+aggregator.MinTickGap))
}

// endAll ends every series with its latest values now, and its stale markers ahead of the
// clock, after the next tick on the grid: where a receiver keeps the last sample of each
// interval, a marker in the interval of the value would hide it. A reload's are on the grid.
// With last, the process ends: the next one may begin on the grid after that, so they are as
// early as possible. The caller holds ticking, and holds updates back.
func (b *Bridge) endAll(last bool) {
	interval := b.cfg.Global.PushInterval.Milliseconds()
	gap := interval
	if last {
		gap = 1
	}
	for first := true; b.replica.EndAll(last) > 0; first = false {
		if first {
			b.tickNow()
			continue
		}
		at := aggregator.OnGrid(b.aggregator.LastTick()-1, interval) + interval + gap
		b.ahead.Store(at)
		b.tick(at)
	}
}
