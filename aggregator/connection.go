// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
)

// maxCount is where a counter resets: a float64 has whole numbers up to 2^53, and half of
// that leaves queries room to add two counters.
const maxCount = 1 << 52

// maxDeferred bounds traffic that waits for a counter to reset, between two ticks.
const maxDeferred = 1 << 60

// phase is where a connection is in its incarnation: zeros, values, stale markers.
type phase uint8

const (
	fresh   phase = iota // not sampled yet: its zeros come with the next tick
	live                 // sampled at least once
	closing              // its last values are sampled; stale markers come next
	ended                // stale markers are sampled; removed at the next tick unless it returns
)

// connection has the counters of both directions, which begin and end together.
type connection struct {
	counts                 // as they are now
	sampled  [2]sampled    // at the latest two ticks; see samplePair
	values   string        // identity: label values, see [Row.Values]
	traffic  time.Duration // feed time of the latest traffic
	start    int64         // ms, time of this incarnation's zeros; until it begins, their earliest time
	period   time.Duration // of the node that reported it: its next traffic is due after that
	gauges   Gauges
	rate     rateWindow // bytes per second, for the list of connections
	origin   uint32     // of the latest traffic
	tick     uint32     // number of the latest tick that has sampled it; see cut
	phase    phase
	counted  uint8 // its series, as they are in the sum of all
	used     bool  // false: a free record
	ending   bool  // ends at the next tick
	overflow bool  // takes traffic above the bounds
	demoted  bool  // ends in favour of a busier one; the overflow takes its traffic
	own      bool  // counted among those with series
	node     *node // that reported it first; nil: the overflow, or not known
}

// sampled is a connection at a tick.
type sampled struct {
	counts
	gauges Gauges
	live   bool // it had values then, not stale markers
}

// connections holds all of them, by label values.
type connections struct {
	layout  *label.Layout
	records slab[connection]
	byKey   index
	series  int // of all connections, those that have ended among them until they are removed
	own     int // connections with series, without the overflow and demoted ones
	cut     cut
	// leaving have ended at a former tick, ended at the latest one.
	leaving, ended []departure
	// deferred is traffic of connections whose incarnation is over: the next one begins
	// with it once the stale markers are out. It happens at maxCount and at reloads.
	deferred map[uint32]counts
}

func newConnections(layout *label.Layout) *connections {
	return &connections{layout: layout, byKey: newIndex(), deferred: map[uint32]counts{}}
}

// find returns the connection with those label values, or none.
func (cs *connections) find(key []byte) uint32 {
	return cs.byKey.find(cs.byKey.hash(key), func(i uint32) bool { return cs.records.peek(i).values == string(key) })
}

// is reports whether i is the connection with those label values.
func (cs *connections) is(i uint32, key []byte) bool {
	return i < cs.records.size && cs.records.peek(i).used && cs.records.peek(i).values == string(key)
}

// add adds a connection; the overflow has no node. Its zeros are not before earliest (ms),
// the time of a tick that is being sampled: the connection that had this record before may
// have a stale marker there.
func (cs *connections) add(key []byte, overflow bool, n *node, earliest int64) uint32 {
	i := cs.records.alloc()
	c := cs.records.at(i)
	c.used, c.values, c.overflow, c.node, c.start, c.tick = true, string(key), overflow, n, earliest, cs.cut.number
	cs.byKey.add(cs.byKey.hash(key), i)
	cs.begin(c)
	return i
}

// begin counts the series of a connection that begins, or begins again before it was removed.
func (cs *connections) begin(c *connection) {
	cs.account(c, 2*cs.layout.Directions()+c.gauges.series())
	if !c.overflow && !c.demoted && !c.own {
		c.own = true
		cs.own++
	}
}

// account counts a connection with that many series.
func (cs *connections) account(c *connection, series int) {
	change := series - int(c.counted)
	c.counted = uint8(series)
	cs.series += change
	c.node.addSeries(change)
}

// disown counts a connection as one without series.
func (cs *connections) disown(c *connection) {
	if c.own {
		c.own = false
		cs.own--
	}
}

// count adds traffic to connection i, or to its next incarnation where this one ends. Not
// ok: even that would overflow, and nothing is added.
func (cs *connections) count(i uint32, c *connection, delta counts) (ok bool) {
	if cs.layout.Direction < 0 {
		delta = delta.summed()
	}
	if c.phase == ended { // it returns
		c.phase, c.tick = fresh, cs.cut.number
		cs.begin(c)
	}
	sum := c.counts
	sum.add(&delta)
	if c.phase == closing || c.ending || !sum.within(maxCount) {
		c.ending = true
		waiting := cs.deferred[i]
		if waiting.add(&delta); !waiting.within(maxDeferred) {
			return false
		}
		cs.deferred[i] = waiting
		return true
	}
	c.counts = sum
	return true
}

// end ends the incarnation of a connection whose stale markers were sampled. Deferred
// traffic begins the next one; what exceeds maxCount is deferred again.
func (cs *connections) end(i uint32) {
	c := cs.records.at(i)
	c.phase, c.ending, c.demoted = ended, false, false
	c.counts, c.gauges, c.rate = counts{}, Gauges{}, rateWindow{}

	waiting, ok := cs.deferred[i]
	if !ok {
		return
	}
	delete(cs.deferred, i)
	first := waiting.atMost(counts{bytes: [2]uint64{maxCount, maxCount}, packets: [2]uint64{maxCount, maxCount}})
	if _ = cs.count(i, c, first); first != waiting {
		c.ending = true
		cs.deferred[i] = waiting.minus(first)
	}
}

// setGauge records the latest value of a gauge.
func (cs *connections) setGauge(c *connection, gauge int, value uint64) {
	if c.gauges[gauge] == 0 {
		cs.account(c, int(c.counted)+1)
	}
	c.gauges[gauge] = value
}

// demote ends a live connection in favour of a busier one.
func (cs *connections) demote(i uint32) {
	c := cs.records.at(i)
	c.ending, c.demoted = true, true
	cs.disown(c)
}

// clear removes all connections; not ok: some have not ended.
func (cs *connections) clear() (ok bool) {
	for i := range cs.records.size {
		if c := cs.records.at(i); c.used && c.phase != ended {
			return false
		}
	}
	for i := range cs.records.size {
		if cs.records.at(i).used {
			cs.remove(i)
		}
	}
	return true
}

// remove removes a connection that has ended.
func (cs *connections) remove(i uint32) {
	c := cs.records.at(i)
	cs.account(c, 0)
	cs.disown(c)
	cs.byKey.remove(cs.byKey.hashText(c.values), i)
	cs.records.release(i)
}
