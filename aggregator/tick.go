// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// MinTickGap is the least distance between two ticks in milliseconds: what stands
// in for a lost sample goes between them, and the zero of a counter that ends with
// the process before it could begin on the grid.
const MinTickGap = 2

// Point is one connection at a tick: its values then, what begins and what
// ends.
type Point struct {
	Row
	// Begin, where not 0, is the time in milliseconds of a sample of value 0 that
	// goes before this one: the counters begin with this tick.
	Begin int64
	// Start is the time in milliseconds at which the counters began.
	Start int64
	// End means stale markers at this tick instead of values.
	End bool
}

// CapturePoint is one capture at a tick.
type CapturePoint struct {
	CaptureRow
	Before       CaptureRow // at the tick before, where it did not begin since
	Begin, Start int64      // of its own counters; those of packets began before the bridge looked
	End          bool
}

// InterfacePoint is one network interface at a tick. Its counters began at a
// time that nobody knows.
type InterfacePoint struct {
	InterfaceRow
	End bool
}

// Emitter takes what a tick samples. The slices are valid during the call; it
// is not called under the aggregator's lock.
type Emitter interface {
	Connections([]Point)
	Captures([]CapturePoint)
	Interfaces([]InterfacePoint)
}

// Tick samples every live series for the given time in milliseconds, which
// must be at least [MinTickGap] after [Aggregator.LastTick]. A counter begins with
// its zero at the multiple of interval before this tick, unless that lies before the
// last tick; then it waits. A connection that was idle for too long ends.
//
// Ticks must not overlap; updates and scrapes may run meanwhile.
func (a *Aggregator) Tick(at int64, interval time.Duration, emit Emitter) {
	a.mu.Lock()
	feedNow := a.clock.now(a.now())
	a.durable.switchJournal()
	first := a.unsure
	a.latest = a.tickTimes(at, interval.Milliseconds())
	a.journal.tick(a.latest)
	a.lastTick = at
	a.side.begin()
	a.sources.sweep(feedNow)
	a.folds.turn(feedNow)
	a.known.turn(feedNow, a.cfg.FlowRetention)
	captures := a.captures.sample(a.side.latest, a.latest, feedNow, func(id string) uint64 { return a.knownOf(id, feedNow) })
	latest := a.side.latest
	a.journal.seal(feedNow)
	a.mu.Unlock()
	var interfaces []InterfacePoint
	if !first { // a former process may have its stale markers at this tick
		interfaces = a.interfaces.sample(latest)
	}

	for done := false; !done; {
		a.mu.Lock()
		done = a.evictDue(feedNow, batch)
		a.journal.seal(feedNow)
		a.mu.Unlock()
	}
	a.rank(feedNow)
	points := make([]Point, 0, batch)
	for next, end := uint32(0), false; !end; {
		a.mu.Lock()
		points = points[:0]
		// Those that updates add meanwhile are fresh: their turn comes now as well,
		// or at the next tick.
		size := a.connections.records.size
		for limit := min(next+batch, size); next < limit; next++ {
			points = a.sample(points, next, feedNow)
		}
		end = next == size
		a.journal.seal(feedNow)
		a.mu.Unlock()
		if len(points) > 0 {
			emit.Connections(points)
		}
	}
	if len(captures) > 0 {
		emit.Captures(captures)
	}
	if len(interfaces) > 0 {
		emit.Interfaces(interfaces)
	}
}

// tickTimes are the times of a tick, of the one before, and of the zeros of
// counters that begin with it, in ms; 0 is none.
type tickTimes struct {
	before, at, zero int64
	// rushed is the time of zeros that cannot wait for the grid: the process ends.
	// It is not journaled, as no state outlives it.
	rushed int64
}

// tickTimes returns the times of a tick. Receivers that keep one sample for each
// interval (T-interval, T] must see every zero, so that it shares its interval with
// no sample of its name: it lies on the grid, and not before the last tick. No tick need
// have been made there: where ticks take longer than the interval, some are left out.
func (a *Aggregator) tickTimes(at, interval int64) tickTimes {
	t := tickTimes{before: a.latest.at, at: at}
	if a.ending {
		t.rushed = max(a.lastTick+1, at-interval)
	}
	grid := (at - 1) / interval * interval
	if a.unsure && at%interval == 0 {
		a.unsure, a.earliestZero = false, at+1
	}
	if !a.unsure && grid >= a.latest.at && grid >= a.earliestZero {
		t.zero = grid
	}
	return t
}

// begin returns the time of the zero of a counter that begins, which may not be
// before earliest; 0: it has to wait.
func (t tickTimes) begin(earliest int64) int64 {
	if t.zero >= earliest && t.zero != 0 {
		return t.zero
	}
	return t.rushed
}

// LastTick returns the time of the latest tick in milliseconds; before it, when
// the aggregator began.
func (a *Aggregator) LastTick() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lastTick
}

// ContinueAfter makes the time at (ms) that of the latest tick, where none was:
// that of a former process, which this one's samples must all come after.
func (a *Aggregator) ContinueAfter(at int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastTick = max(a.lastTick, at)
}

// EndAll makes every series end that has not: the next tick samples the last
// values, the tick after it the stale markers. It returns how many connections,
// captures and interfaces are to end. It is for a reload that changes what series are
// called, and for the end of the process; the caller holds updates back
// ([Aggregator.Hold]) until there are none. Rarely a second round is needed, for
// what a counter at its limit carried over, or for what could not begin yet. With
// last, the process ends: nothing waits to begin.
func (a *Aggregator) EndAll(last bool) (left int) {
	left = a.interfaces.endAll()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ending = last
	for i := range a.connections.records.size {
		if c := a.connections.records.at(i); c.used && c.phase != ended {
			c.ending = true
			left++
		}
	}
	a.journal.endCaptures()
	a.journal.seal(a.clock.now(a.now()))
	return left + a.captures.endAll()
}

// sample appends the point of connection i at a tick, if it has one.
func (a *Aggregator) sample(points []Point, i uint32, feedNow time.Duration) []Point {
	c := a.connections.records.at(i)
	if !c.used {
		return points
	}
	if c.phase == ended {
		a.connections.remove(i)
		return points
	}
	if c.phase == closing || (c.phase == live && !c.ending && a.idle(c, feedNow)) {
		points = append(points, Point{Row: a.row(c, a.side.before()), Start: c.start, End: true})
		a.journal.connectionEnd(i, c)
		c.start = a.latest.at + 1
		a.connections.end(i)
		c.sampled[a.side.latest] = sampled{}
		return points
	}
	zero := a.latest.begin(c.start)
	if c.phase == fresh && zero == 0 {
		c.sampled[a.side.latest] = sampled{}
		return points
	}
	a.move(c, feedNow)
	p := Point{}
	next := live
	if c.ending {
		next = closing
	}
	if c.phase == fresh {
		c.start = zero
		p.Begin = c.start
		a.journal.connectionBegin(i, next)
	} else if c.phase != next {
		a.journal.connectionPhase(i, next)
	}
	c.phase = next
	c.sampled[a.side.latest] = sampled{c.counts, c.gauges, true}
	p.Row, p.Start = a.row(c, a.side.latest), c.start
	return append(points, p)
}

// idle says whether a connection ends: all of its traffic has been sampled,
// and none was reported for ConnectionTimeout after the next update was due.
func (a *Aggregator) idle(c *connection, feedNow time.Duration) bool {
	silence := feedNow - c.traffic
	return silence >= a.cfg.ConnectionTimeout && // cheap, and mostly false
		silence >= a.cfg.ConnectionTimeout+a.sources.period(c.source, feedNow) &&
		c.counts == c.sampled[a.side.before()].counts
}

// side tells the two latest ticks apart, whose samples are kept: that of the
// latest, which may not be durable yet, and that which scrapes see.
type side struct{ latest, shown int }

// begin makes room for a tick; the one before it is shown at the latest now.
func (s *side) begin() {
	s.shown = s.latest
	s.latest = 1 - s.latest
}

// before is the side of the tick before the latest.
func (s *side) before() int { return 1 - s.latest }

// Publish shows the latest tick to scrapes. A caller with durable state does so
// once the tick cannot be lost any more.
func (a *Aggregator) Publish() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.side.shown = a.side.latest
}
