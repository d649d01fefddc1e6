// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// maxCount is where a counter ends and begins anew. Prometheus stores float64,
// in which whole numbers are exact up to 2^53; half of that leaves queries room
// to add two of them.
const maxCount = 1 << 52

// maxCarried bounds what waits for a counter to begin anew, between two ticks.
const maxCarried = 1 << 60

// phase is where a connection is in its life. An incarnation is one such life:
// zeros, values, stale markers.
type phase uint8

const (
	fresh   phase = iota // not sampled yet: its zeros come with the next tick
	live                 // sampled at least once
	closing              // its last values are sampled; stale markers come next
	ended                // stale markers are sampled; gone at the next tick unless it returns
)

// connection is the counters of one connection: the tuples of both directions,
// which begin and end together.
type connection struct {
	counts                 // as they are now
	sampled  [2]sampled    // as they were at the latest two ticks, by side of [Aggregator.side]
	values   string        // identity: label values, see [Row.Values]
	traffic  time.Duration // feed time of the latest traffic
	start    int64         // ms, time of this incarnation's zeros; until it begins, the earliest time they may have
	gauges   Gauges
	pace     pace   // how fast they grow
	source   uint32 // of the latest traffic; its period says when the next is due
	phase    phase
	used     bool  // false: a free record
	ending   bool  // ends at the next tick whatever its traffic
	overflow bool  // takes what the bounds have no room for
	demoted  bool  // ends because others are busier: the overflow takes its traffic until it has
	node     *node // that reported it first; nil: the overflow, or forgotten
}

// sampled is a connection at a tick.
type sampled struct {
	counts
	gauges Gauges
	live   bool // it had values then, not stale markers
}

// connections holds all of them, by label values.
type connections struct {
	layout  *Layout
	journal *journal
	records slab[connection]
	byKey   index
	series  int // in all, ended ones not included
	own     int // connections that have series and keep them, the overflow not included
	// carried is traffic of connections whose incarnation is over: it begins the
	// next one once the stale markers are out. Only a counter at maxCount or a
	// reload leads here.
	carried map[uint32]counts
}

func newConnections(layout *Layout, j *journal) *connections {
	return &connections{layout: layout, journal: j, byKey: newIndex(), carried: map[uint32]counts{}}
}

// find returns the connection with those label values, or none.
func (cs *connections) find(key []byte) uint32 {
	return cs.byKey.find(cs.byKey.hash(key), func(i uint32) bool { return cs.records.at(i).values == string(key) })
}

// is says whether i is the connection with those label values.
func (cs *connections) is(i uint32, key []byte) bool {
	return i < cs.records.size && cs.records.at(i).used && cs.records.at(i).values == string(key)
}

// add makes a connection. The caller has seen that there is none.
// The overflow has no node. Zeros lie at earliest (ms) or later: that of a tick which
// is being sampled, where the record's former user may have a stale marker.
func (cs *connections) add(key []byte, overflow bool, n *node, earliest int64) uint32 {
	i := cs.records.alloc()
	c := cs.records.at(i)
	c.used, c.values, c.overflow, c.node, c.start = true, string(key), overflow, n, earliest
	cs.byKey.add(cs.byKey.hash(key), i)
	cs.enter(c)
	cs.journal.connectionNew(i, c)
	return i
}

// enter counts the series of a connection that begins.
func (cs *connections) enter(c *connection) {
	cs.grow(c, cs.seriesOf(c))
	if !c.overflow && !c.demoted {
		cs.own++
	}
}

// grow counts series of a connection that begin, or end where negative.
func (cs *connections) grow(c *connection, series int) {
	cs.series += series
	c.node.addSeries(series)
}

// seriesOf is how many series a connection has.
func (cs *connections) seriesOf(c *connection) int {
	return 2*cs.layout.directions() + c.gauges.series()
}

// carry makes traffic wait for the next incarnation of a connection.
func (cs *connections) carry(i uint32, traffic counts) {
	cs.carried[i] = traffic
	cs.journal.carried(i, traffic)
}

// count adds traffic to a connection, or to its next incarnation where this
// one takes no more. It returns false, and adds nothing, where even that has no
// room.
func (cs *connections) count(i uint32, delta counts) (ok bool) {
	c := cs.records.at(i)
	if cs.layout.Direction < 0 {
		delta = delta.summed()
	}
	if c.phase == ended { // and it returns
		c.phase = fresh
		cs.enter(c)
	}
	sum := c.counts
	sum.add(&delta)
	if c.phase == closing || c.ending || !sum.fit(maxCount) {
		c.ending = true
		carried := cs.carried[i]
		if carried.add(&delta); !carried.fit(maxCarried) {
			return false
		}
		cs.carry(i, carried)
		return true
	}
	c.counts = sum
	return true
}

// end puts a connection to rest whose stale markers were sampled. Traffic that
// was carried over begins it anew; what of it does not fit below maxCount is
// carried on.
func (cs *connections) end(i uint32) {
	c := cs.records.at(i)
	cs.grow(c, -cs.seriesOf(c))
	if !c.overflow && !c.demoted {
		cs.own--
	}
	c.phase, c.ending, c.demoted = ended, false, false
	c.counts, c.gauges, c.pace = counts{}, Gauges{}, pace{}

	carried, ok := cs.carried[i]
	if !ok {
		return
	}
	delete(cs.carried, i)
	cs.journal.carried(i, counts{})
	first := carried.atMost(counts{bytes: [2]uint64{maxCount, maxCount}, packets: [2]uint64{maxCount, maxCount}})
	if _ = cs.count(i, first); first != carried {
		c.ending = true
		cs.carry(i, carried.minus(first))
	}
	cs.journal.connection(i, c)
}

// setGauge records the latest value of a gauge.
func (cs *connections) setGauge(i uint32, gauge int, value uint64) {
	c := cs.records.at(i)
	if c.gauges[gauge] == 0 {
		cs.grow(c, 1)
	}
	c.gauges[gauge] = value
}

// demote makes a connection end that lives and does not end yet, in favour of others.
func (cs *connections) demote(i uint32) {
	c := cs.records.at(i)
	c.ending, c.demoted = true, true
	cs.own--
	cs.journal.connection(i, c)
}

// remove forgets a connection that has ended.
func (cs *connections) remove(i uint32) {
	cs.byKey.remove(cs.byKey.hashText(cs.records.at(i).values), i)
	cs.records.release(i)
	cs.journal.connectionFree(i)
}
