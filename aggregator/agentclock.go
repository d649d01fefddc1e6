// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

const (
	// lateAfter is how far, on the agent's clock, an update may lie behind the
	// node's latest one before its delay needs an explanation: analyzers send
	// every 5 s, so updates overtake each other by seconds.
	lateAfter = 10 * time.Second
	// maxHeld bounds the records that are held in doubt, of all nodes: about 400
	// bytes each.
	maxHeld = 1 << 16
)

// agentClock is what is known of the clock of a node's agent, which people and
// NTP set. Times are milliseconds on that clock.
//
// A generation is a span during which the clock was not set back. Only within
// one do times of updates tell which came first. An update well behind the
// latest one is either late, or the clock was set back: a doubt, until an update
// on the old scale comes or is overdue.
type agentClock struct {
	latest int64 // LUM.Last of the latest update of the generation
	// lead is by how many ms an update was ahead of feed time when it arrived, at most:
	// what was less ahead had been on its way for longer. 0: not known.
	lead int64
	// began is the feed time at which the generation began, and floor a time on its
	// scale before all of its updates. Both are 0 in the first one.
	began time.Duration
	floor int64
	// twice is the latest LUM.Last of all generations before: a time up to it may be of
	// any of them.
	twice int64
	doubt *doubt // nil: none
}

// doubt is what is known while it is undecided whether a clock was set back.
type doubt struct {
	began, seen     time.Duration // feed times of the first and the latest record behind
	lowest, highest int64         // LUM.Last of those records
	sources         []*source     // those that hold records
}

// timing says when a record is counted.
type timing int

const (
	onArrival  timing = iota
	afterDelay        // it was held, and is late
	afterStep         // it was held, and the clock was set back
)

// behind says whether an update of that time is so late that it may be of a new
// generation.
func (c *agentClock) behind(last int64) bool {
	return c.latest-last > lateAfter.Milliseconds()
}

// inDoubt says whether f is one of the records whose time is in doubt.
func (c *agentClock) inDoubt(f *Flow) bool {
	return c.doubt != nil && c.behind(f.LastUpdate.Last)
}

// observe takes the time of a live record. It returns the doubt that it decides,
// and whether that was a step of the clock; nil: none. While a node is silent nothing
// is decided.
func (c *agentClock) observe(last int64, feedNow, period time.Duration) (decided *doubt, step bool) {
	d := c.doubt
	behind := c.latest != 0 && c.behind(last)
	switch {
	case d == nil && behind:
		c.doubt = &doubt{began: feedNow, seen: feedNow, lowest: last, highest: last}
		return nil, false
	case behind:
		d.seen, d.lowest, d.highest = feedNow, min(d.lowest, last), max(d.highest, last)
	case last <= c.latest: // as old as some update before: it says nothing
		return nil, false
	}
	overdue := d != nil && feedNow-d.began > period+lateAfter
	switch {
	case overdue && (behind || d.runs()):
		c.twice = max(c.twice, c.latest)
		c.latest, c.began, c.floor, c.doubt = max(d.highest, last), d.began, d.lowest-1, nil
		c.lead = last - slowed(feedNow)
		return d, true
	case behind:
		return nil, false
	}
	c.latest, c.doubt = last, nil // the old scale is still there
	return d, false
}

// slowed returns a feed time in ms by a clock that is slow by more than any agent's:
// one that drifts must not look like one whose records are late.
func slowed(feedTime time.Duration) int64 { return (feedTime - feedTime/1000).Milliseconds() }

// arrived takes the time of a live record that arrives, and says whether lead rose much.
func (c *agentClock) arrived(last int64, feedNow time.Duration) (much bool) {
	lead := last - slowed(feedNow)
	if c.lead != 0 && lead <= c.lead {
		return false
	}
	much = lead-c.lead > lateAfter.Milliseconds()
	c.lead = lead
	return much
}

// now returns what the agent's clock shows now: that much, or more.
func (c *agentClock) now(feedNow time.Duration) int64 { return c.lead + slowed(feedNow) }

// feedTime returns the feed time at which the agent's clock showed a time, or an earlier
// one: by the update that came fastest. What is ahead of the latest update may be on a
// clock that has been set forward.
func (c *agentClock) feedTime(at int64, feedNow time.Duration) time.Duration {
	late := c.now(feedNow) - min(at, c.latest)
	if c.lead == 0 || late > feedNow.Milliseconds() {
		return 0
	}
	return feedNow - time.Duration(max(0, late))*time.Millisecond
}

// former says whether a time is surely of a clock that has been set back since. One that
// has not been reported yet is within a period.
func (c *agentClock) former(at int64, period time.Duration) bool {
	return c.latest != 0 && at-c.latest > period.Milliseconds()
}

// ambiguous says whether the time of an update that only an end record tells may be of
// several generations: it can be one that was lost, a period after the latest.
func (c *agentClock) ambiguous(last int64, period time.Duration) bool {
	return c.twice != 0 && last <= c.twice+period.Milliseconds()
}

// runs says whether the records behind show a clock that runs: late ones do not come at
// the pace at which they were made.
func (d *doubt) runs() bool {
	span := d.seen - d.began
	return span > lateAfter && (span-time.Duration(d.highest-d.lowest)*time.Millisecond).Abs() <= lateAfter
}

// readClock takes the time of a live record with traffic that its flow's baseline
// does not have: what repeats what is known may be late by any time. It says whether
// that decided a doubt.
func (a *Aggregator) readClock(src *source, f *Flow, feedNow time.Duration) (decided bool) {
	last, n := f.LastUpdate.Last, src.node
	if f.FinishType == finishTimeout || !f.HasLastUpdate || last <= 0 {
		return false
	}
	d, step := n.clock.observe(last, feedNow, n.period(feedNow))
	if d != nil {
		a.decide(n, d, step, feedNow)
		a.alignMarks(src)
	}
	a.journal.clockMoved(src)
	return d != nil
}

// learn takes from a record what it says of its source: the epoch and flow.update.
func (a *Aggregator) learn(src *source, f *Flow, feedNow time.Duration) {
	lum, n := f.LastUpdate, src.node
	a.alignMarks(src)
	if f.FinishType == finishTimeout || !f.HasLastUpdate || lum.Last <= 0 {
		return // the times of an end record are those of the window before
	}
	if src.epoch == 0 {
		src.epoch, src.reach = lum.Last, lum.Last
		a.journal.marks(src)
		a.journal.clock(src)
	}
	if n.clock.arrived(lum.Last, feedNow) {
		a.journal.clock(src)
	}
	// A window as long as flows are remembered is no period but a clock that was
	// set.
	if window := time.Duration(lum.Last-lum.Start) * time.Millisecond; lum.Start > 0 && window > 0 && window <= a.cfg.FlowRetention {
		n.observe(window, feedNow)
		a.journal.period(src, window)
	}
}

// alignMarks brings a source's marks to the present generation of its node's clock.
func (a *Aggregator) alignMarks(src *source) {
	if src.align() {
		a.journal.clock(src)
	}
}

// decide ends a doubt: what was held counts if the clock was set back; if it was
// late, it may have counted before its flow was evicted.
func (a *Aggregator) decide(n *node, d *doubt, step bool, feedNow time.Duration) {
	if step {
		a.metrics.agentSteps.Inc()
		a.notices.say("agent_clock", "the clock of an agent was set back", "node_tid", n.tid)
	}
	for _, src := range d.sources {
		held := src.held
		src.held, src.heldFlows = nil, nil
		a.held -= len(held)
		src.align()
		a.journal.clock(src)
		for i := range held {
			switch f := &held[i]; {
			case step:
				a.countOf(src, f, feedNow, afterStep)
			case !src.mayBeEvicted(f):
				a.countOf(src, f, feedNow, afterDelay)
			default:
				lum := counted(&f.LastUpdate)
				a.metrics.history[historyEvicted].Add(float64(lum.totalBytes()))
			}
		}
	}
}

// holdRecord keeps a record until its node's doubt is decided. Above the bound it does
// not count.
func (a *Aggregator) holdRecord(src *source, f *Flow) {
	if a.held >= maxHeld {
		lum := counted(&f.LastUpdate)
		a.metrics.history[historyUndecided].Add(float64(lum.totalBytes()))
		return
	}
	a.held++
	if len(src.held) == 0 {
		d := src.node.clock.doubt
		d.sources = append(d.sources, src)
	}
	src.hold(f.clone())
	a.journal.hold(src)
}

// learnExpire takes from an end record without traffic how long its flow was idle:
// such flows are not reported until they end. Longer than flows are remembered is no
// timeout. It comes before the baseline is touched.
func (a *Aggregator) learnExpire(n *node, f *Flow, b *baseline, feedNow time.Duration) {
	if f.FinishType != finishTimeout || b.from.is(isEnded) {
		return
	}
	if age := feedNow - b.seen.time() + n.period(feedNow); age <= a.cfg.FlowRetention {
		n.sawExpire(age)
	}
}
