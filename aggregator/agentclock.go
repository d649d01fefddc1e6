// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"time"

	"github.com/skydive-project/skybridge/input"
)

const (
	// lateAfter is how far, on the agent's clock, an update may lie behind the
	// node's latest one and not be called late: analyzers send every 5 s, so updates
	// arrive out of order by seconds.
	lateAfter = 10 * time.Second
	// maxHeld bounds the held records of all nodes: about 400 bytes each.
	maxHeld = 1 << 16
)

// agentClock is what is known about the clock of a node's agent, which operators and
// NTP may set. Times are milliseconds on that clock.
//
// A generation is a span during which the clock was not set back. Only times of one
// generation show which update came first. An update well behind the latest one is late,
// or the clock was set back. Until that is decided there is a pending step: an update
// ahead of the latest one shows that the clock was not set back, and if none comes within
// a period, it was.
type agentClock struct {
	latest int64 // LUM.Last of the latest update of the generation
	// lead is the largest number of ms that an update was ahead of feed time when it
	// arrived: the update that was delivered fastest. 0: not known.
	lead int64
	// began is the feed time at which the generation began, and floor a time on its
	// scale before all of its updates. Both are 0 in the first one.
	began time.Duration
	floor int64
	// ambiguousUntil is the latest LUM.Last of all former generations: a time up to it may
	// be of any of them.
	ambiguousUntil int64
	pending        *pendingStep // nil: none
}

// pendingStep is a step of a clock that is not decided yet: the clock was set back, or
// records are late.
type pendingStep struct {
	firstSeen, lastSeen time.Duration // feed times of the first and the latest record behind
	lowest, highest     int64         // LUM.Last of those records
	origins             []uint32      // those that hold records
}

// timing says when a record is counted.
type timing int

const (
	onArrival  timing = iota
	afterDelay        // it was held, and is late
	afterStep         // it was held, and the clock was set back
)

// behind reports whether an update is so late that it may be of a new generation.
func (c *agentClock) behind(last int64) bool {
	return c.latest-last > lateAfter.Milliseconds()
}

// isUndecided reports whether the pending step concerns a record.
func (c *agentClock) isUndecided(f *input.Flow) bool {
	return c.pending != nil && c.behind(f.LastUpdate.Last)
}

// update updates the clock with the time of a live record. It returns the pending step that
// this decides, nil for none, and whether the clock was set back. While no records of the
// node arrive, nothing is decided.
func (c *agentClock) update(last int64, feedNow, period time.Duration) (decided *pendingStep, step bool) {
	d := c.pending
	behind := c.latest != 0 && c.behind(last)
	switch {
	case d == nil && behind:
		c.pending = &pendingStep{firstSeen: feedNow, lastSeen: feedNow, lowest: last, highest: last}
		return nil, false
	case behind:
		d.lastSeen, d.lowest, d.highest = feedNow, min(d.lowest, last), max(d.highest, last)
	case last <= c.latest: // no later than a former update: it decides nothing
		return nil, false
	}
	overdue := d != nil && feedNow-d.firstSeen > period+lateAfter
	switch {
	case overdue && (behind || d.isRunning()):
		c.ambiguousUntil = max(c.ambiguousUntil, c.latest)
		c.latest, c.began, c.floor, c.pending = max(d.highest, last), d.firstSeen, d.lowest-1, nil
		c.lead = last - slowed(feedNow)
		return d, true
	case behind:
		return nil, false
	}
	c.latest, c.pending = last, nil // the clock was not set back
	return d, false
}

// slowed returns a feed time in ms by a clock slower than any agent's: a clock that
// drifts must not look like one whose records are late.
func slowed(feedTime time.Duration) int64 { return (feedTime - feedTime/1000).Milliseconds() }

// arrived updates lead with the time of a live record that arrives.
func (c *agentClock) arrived(last int64, feedNow time.Duration) {
	if lead := last - slowed(feedNow); c.lead == 0 || lead > c.lead {
		c.lead = lead
	}
}

// now returns a lower bound of what the agent's clock shows now, in ms.
func (c *agentClock) now(feedNow time.Duration) int64 { return c.lead + slowed(feedNow) }

// feedTime returns a lower bound of the feed time at which the agent's clock showed a
// time. A time ahead of the latest update may be of a clock that was set forward.
func (c *agentClock) feedTime(at int64, feedNow time.Duration) time.Duration {
	late := c.now(feedNow) - min(at, c.latest)
	if c.lead == 0 || late > feedNow.Milliseconds() {
		return 0
	}
	return feedNow - time.Duration(max(0, late))*time.Millisecond
}

// isFormer reports whether a time is certainly of a clock that was set back since: it is
// more than a period ahead of the latest update.
func (c *agentClock) isFormer(at int64, period time.Duration) bool {
	return c.latest != 0 && at-c.latest > period.Milliseconds()
}

// ambiguous reports whether the update time of an end record may be of several
// generations: that update may be lost, a period after the latest one.
func (c *agentClock) ambiguous(last int64, period time.Duration) bool {
	return c.ambiguousUntil != 0 && last <= c.ambiguousUntil+period.Milliseconds()
}

// isRunning reports whether the records behind the latest update arrive as far apart as
// their times are, as records of a running clock do and late ones do not.
func (d *pendingStep) isRunning() bool {
	span := d.lastSeen - d.firstSeen
	return span > lateAfter && (span-time.Duration(d.highest-d.lowest)*time.Millisecond).Abs() <= lateAfter
}

// readClock updates the node's clock with the time of a live record. The record must have
// traffic that its flow's baseline lacks, for a duplicate may be late by any time. It
// reports whether that decided a step.
func (a *Aggregator) readClock(from *origin, f *input.Flow, feedNow time.Duration) (decided bool) {
	last, n := f.LastUpdate.Last, from.node
	if f.FinishType == finishTimeout || !f.HasLastUpdate || last <= 0 {
		return false
	}
	d, step := n.clock.update(last, feedNow, n.period(feedNow))
	if d != nil {
		a.decideStep(n, d, step, feedNow)
		from.align()
	}
	return d != nil
}

// learn learns the epoch and flow.update from a record.
func (a *Aggregator) learn(from *origin, f *input.Flow, feedNow time.Duration) {
	lum, n := f.LastUpdate, from.node
	from.align()
	if f.FinishType == finishTimeout || !f.HasLastUpdate || lum.Last <= 0 {
		return // the times of an end record are those of the window before
	}
	if from.epoch == 0 {
		from.epoch, from.alignedEpoch = lum.Last, lum.Last
	}
	n.clock.arrived(lum.Last, feedNow)
	// A window of flow_retention is no period: a clock was set.
	if window := time.Duration(lum.Last-lum.Start) * time.Millisecond; lum.Start > 0 && window > 0 && window <= a.cfg.FlowRetention {
		n.addWindow(window, feedNow)
	}
}

// decideStep counts held records: all if the clock was set back; if they are late, those
// that cannot have counted before their flow was evicted.
func (a *Aggregator) decideStep(n *node, d *pendingStep, step bool, feedNow time.Duration) {
	if step {
		a.metrics.agentClockSteps.Inc()
		a.warnings.log("agent_clock", "the clock of an agent was set back", "node_tid", n.tid)
	}
	for _, id := range d.origins {
		from := a.origins.at(id)
		held := from.held
		from.held, from.heldFlows = nil, nil
		a.held -= len(held)
		from.align()
		for i := range held {
			one := held[i] // counting may change it, and a snapshot may have yet to encode it
			switch f := &one; {
			case step:
				a.countOf(from, f, feedNow, afterStep)
			case !from.mayBeEvicted(f):
				a.countOf(from, f, feedNow, afterDelay)
			default:
				lum := counted(&f.LastUpdate)
				a.metrics.history[historyEvicted].Add(float64(lum.totalBytes()))
			}
		}
	}
}

// restartSteps lets pending steps wait from now on: what decides them may have come while
// there was no process.
func (a *Aggregator) restartSteps(feedNow time.Duration) {
	nodes := &a.origins.nodes.records
	for i := range nodes.size {
		if n := *nodes.at(i); n != nil && n.clock.pending != nil {
			n.clock.pending.firstSeen, n.clock.pending.lastSeen = feedNow, feedNow
		}
	}
}

// holdRecord keeps a record until the pending step is decided. Above the bound it does
// not count.
func (a *Aggregator) holdRecord(from *origin, f *input.Flow) {
	if a.held >= maxHeld {
		lum := counted(&f.LastUpdate)
		a.metrics.history[historyUndecided].Add(float64(lum.totalBytes()))
		return
	}
	a.held++
	if len(from.held) == 0 {
		d := from.node.clock.pending
		d.origins = append(d.origins, from.id)
	}
	from.addHeld(f.Clone())
}

// learnExpire learns flow.expire from an end record without traffic: a flow that is idle
// is not reported until it ends. More than flow_retention is no timeout. Call it
// before touching the baseline.
func (a *Aggregator) learnExpire(n *node, f *input.Flow, b *baseline, feedNow time.Duration) {
	if f.FinishType != finishTimeout || b.flags.is(isEnded) {
		return
	}
	if age := feedNow - b.seen.time() + n.period(feedNow); age <= a.cfg.FlowRetention {
		n.sawExpire(age)
	}
}
