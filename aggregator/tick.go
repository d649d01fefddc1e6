// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"time"

	"github.com/skydive-project/skybridge/input"
)

// MinTickGap is the least time between two ticks in milliseconds. It leaves room for the
// replacement of a lost sample, and for the zero of a counter whose process ends before the
// counter could begin on the grid.
const MinTickGap = 2

// OnGrid returns the latest multiple of the interval since the Unix epoch that is not after
// at, all in milliseconds: receivers that keep one sample of each interval align it so.
func OnGrid(at, interval int64) int64 { return at / interval * interval }

// Point is one connection at a tick.
type Point struct {
	Row
	// Begin, where not 0, is the time in milliseconds of a zero that goes before this sample:
	// the counters begin with this tick.
	Begin int64
	// Start is the time in milliseconds at which the counters began.
	Start int64
	// End means stale markers at this tick instead of values.
	End bool
}

// CapturePoint is one capture at a tick.
type CapturePoint struct {
	CaptureRow
	Before       CaptureRow // at the tick before, unless it begins with this one
	Begin, Start int64      // of its own counters; those of packets began before the bridge looked
	End          bool
}

// InterfacePoint is one network interface at a tick. When its counters began is not known.
type InterfacePoint struct {
	InterfaceRow
	End bool
}

// Emitter takes what a tick samples. The slices are valid during the call; it is not called
// under the aggregator's lock.
type Emitter interface {
	Connections([]Point)
	Captures([]CapturePoint)
	Interfaces([]InterfacePoint)
}

// beginTick begins a tick at a time that is at least [MinTickGap] after [Aggregator.LastTick].
// A counter begins with its zero at the multiple of the interval before this tick; where that
// is before the last tick, it waits. Connections that were idle for too long end.
func (a *Aggregator) beginTick(t input.Tick, feedNow time.Duration) {
	a.clock.most = 2 * time.Duration(t.Interval) * time.Millisecond
	a.wall = t.Wall - a.time
	a.sampling = true
	first := a.noGridTick
	a.latest = a.tickTimes(t.At, t.Interval)
	a.lastTick = t.At
	a.samples.begin()
	a.applyRanking()
	a.connections.depart()
	a.sweep(feedNow, sweptAtTick)
	a.origins.sweep(feedNow)
	a.overflowed.rotate(feedNow)
	a.known.rotate(feedNow, a.cfg.FlowRetention)
	a.capturePoints = a.captures.sample(a.samples.latest, a.latest, feedNow, func(id string) uint64 { return a.knownOf(id, feedNow) })
	a.interfacePoints = nil
	if !first { // a former process may have its stale markers at this tick
		a.interfacePoints = a.interfaces.sample(a.samples.latest)
	}
	a.connections.beginCut(feedNow)
	a.beginRanking(feedNow)
}

// Sample completes the tick whose entry was applied, and emits all samples of every live
// series; nil emits none.
func (a *Aggregator) Sample(emit Emitter) {
	if emit == nil {
		emit = noEmitter{}
	}
	a.mu.Lock()
	captures, interfaces := a.capturePoints, a.interfacePoints
	a.capturePoints, a.interfacePoints = nil, nil
	a.mu.Unlock()
	points := make([]Point, 0, batch)
	for end := false; !end; {
		a.mu.Lock()
		points, end = a.walk(points[:0])
		a.mu.Unlock()
		if len(points) > 0 {
			emit.Connections(points)
		}
	}
	a.rank()
	if len(captures) > 0 {
		emit.Captures(captures)
	}
	if len(interfaces) > 0 {
		emit.Interfaces(interfaces)
	}
	a.mu.Lock()
	a.sampling = false
	a.mu.Unlock()
}

// noEmitter is for ticks whose samples are known.
type noEmitter struct{}

func (noEmitter) Connections([]Point)         {}
func (noEmitter) Captures([]CapturePoint)     {}
func (noEmitter) Interfaces([]InterfacePoint) {}

// sweptAtTick is how much is removed at most when a tick begins: a millisecond.
const sweptAtTick = 4096

// sweep removes baselines whose retention is over, and connections that have ended, as many as
// most of each. It is a part of each update and tick: so memory is bounded whether or not
// ticks come, and what is removed when depends on nothing else.
func (a *Aggregator) sweep(feedNow time.Duration, most int) {
	a.evictDue(feedNow, most)
	a.connections.removeEnded(most)
}

// tickTimes are the times of a tick, of the one before, and of the zeros of
// counters that begin with it, in ms; 0 is none.
type tickTimes struct {
	before, at, zero int64
	// rushed is the time of zeros that cannot wait for the grid because the process ends.
	rushed int64
}

// tickTimes returns the times of a tick. Receivers that keep one sample for each interval
// (T-interval, T] must see every zero, so it must not share its interval with another sample
// of its series: it is on the grid, and not before the last tick. There need not have been a
// tick at that time: some are skipped where ticks take longer than the interval.
func (a *Aggregator) tickTimes(at, interval int64) tickTimes {
	t := tickTimes{before: a.latest.at, at: at}
	if a.ending {
		t.rushed = max(a.lastTick+1, at-interval)
	}
	grid := OnGrid(at-1, interval)
	if a.noGridTick && at == OnGrid(at, interval) {
		a.noGridTick, a.earliestZero = false, at+1
	}
	if !a.noGridTick && grid >= a.latest.at && grid >= a.earliestZero {
		t.zero = grid
	}
	return t
}

// begin returns the time of the zero of a counter that begins, earliest or later; 0: it has
// to wait.
func (t tickTimes) begin(earliest int64) int64 {
	if t.zero >= earliest && t.zero != 0 {
		return t.zero
	}
	return t.rushed
}

// LastTick returns the time of the latest tick in milliseconds; before the first one, when
// the process began.
func (a *Aggregator) LastTick() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lastTick
}

// sample samples connection i for the running tick, which has not done so, and appends its
// point, if it has one.
func (a *Aggregator) sample(points []Point, i uint32) []Point {
	cs := a.connections
	c := cs.records.at(i)
	if !c.used || c.phase == ended {
		c.sampled[a.samples.latest] = sampled{} // scrapes may come before it is removed
		return points
	}
	c.tick = cs.cut.number
	if c.phase == closing || (c.phase == live && !c.ending && a.isIdle(c, cs.cut.feedNow)) {
		points = append(points, Point{Row: a.row(c, a.samples.before()), Start: c.start, End: true})
		c.start = a.latest.at + 1
		cs.end(i)
		c.sampled[a.samples.latest] = sampled{}
		return points
	}
	a.nominate(i, c)
	zero := a.latest.begin(c.start)
	if c.phase == fresh && zero == 0 {
		c.sampled[a.samples.latest] = sampled{}
		return points
	}
	a.updateRate(c)
	p := Point{}
	next := live
	if c.ending {
		next = closing
	}
	if c.phase == fresh {
		c.start = zero
		p.Begin = c.start
	}
	c.phase = next
	c.sampled[a.samples.latest] = sampled{c.counts, c.gauges, true}
	p.Row, p.Start = a.row(c, a.samples.latest), c.start
	return append(points, p)
}

// isIdle reports whether a connection has timed out: all of its traffic has been sampled, and
// none was reported for ConnectionTimeout after the next update was due.
func (a *Aggregator) isIdle(c *connection, feedNow time.Duration) bool {
	silence := feedNow - c.traffic
	return silence >= a.cfg.ConnectionTimeout && // cheap, and mostly false
		silence >= a.cfg.ConnectionTimeout+c.period &&
		c.counts == c.sampled[a.samples.before()].counts
}

// samplePair indexes the samples of the two latest ticks: the latest, which may not be
// durable yet, and the one that scrapes show.
type samplePair struct{ latest, shown int }

// begin makes room for a tick; the one before it is shown from now on at the latest.
func (s *samplePair) begin() {
	s.shown = s.latest
	s.latest = 1 - s.latest
}

// before is the index of the tick before the latest.
func (s *samplePair) before() int { return 1 - s.latest }

// Publish shows the latest tick to scrapes. Call it once the tick is durable.
func (a *Aggregator) Publish() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.samples.shown = a.samples.latest
}
