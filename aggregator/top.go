// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"slices"
	"time"
)

// sketchRatio is how many counters there are for connections without series of
// their own, for each one that top_k keeps. With 4 K of them, who carries more than a
// 4 K-th of what is folded is surely among them, and so are all that belong to the K
// busiest but those that hardly differ from the next ones. A counter is about 60
// bytes.
const sketchRatio = 4

// top keeps the busiest connections: K of them have series of their own, the others
// are counted in the overflow.
//
// What those with series carry in a window is counted for each, beside the
// connection; what the others carry, in a sketch (busiest.go). The first tick after a
// window ranks both: who surely carried more than one of the K takes its place. So
// memory grows with K, whatever the number of connections.
//
// The ranking decides only who has a series. Each byte is added to exactly one
// counter at the moment it comes, so nothing depends on the ranking being right, and
// it need not survive a restart: those with series keep them until a whole window was
// seen.
type top struct {
	of     *connections
	k      int
	length time.Duration
	began  time.Duration // of the window, feed time
	begun  bool

	windows slab[uint64] // bytes in the window, by number of the connection
	others  *busiest
	// promised are connections that get series with their next traffic: what they
	// carried before is in the overflow and stays there.
	promised map[uint64]struct{}
}

// configureTop puts the bounds of cfg on the ranking into force.
func (a *Aggregator) configureTop(cfg Config) {
	switch t := a.top; {
	case cfg.TopK == 0:
		a.top = nil
	case t == nil || t.of != a.connections:
		a.top = &top{of: a.connections, others: newBusiest(sketchRatio * cfg.TopK)}
		fallthrough
	default:
		a.top.k, a.top.length = cfg.TopK, cfg.TopKWindow
	}
}

// entitled says whether one more connection has a place among the K, of which own
// have theirs; fit is how many more the other bounds have room for.
func (t *top) entitled(own, fit int, id uint64) bool {
	if own >= t.k {
		return false
	}
	if _, ok := t.promised[id]; ok {
		return true
	}
	return len(t.promised) < min(t.k-own, fit)
}

// begin gives connection i a place: it brings along what it has carried in the window.
func (t *top) begin(i uint32, id uint64) {
	delete(t.promised, id)
	t.windows.reach(i)
	*t.windows.at(i) = t.others.take(id)
}

// carry counts what connection i has carried.
func (t *top) carry(i uint32, bytes uint64) {
	t.windows.reach(i)
	*t.windows.at(i) += bytes
}

// candidate is a connection that may lose its place.
type candidate struct {
	i      uint32
	values string
	bytes  uint64 // in the window
}

// rank ends a window that is over: the busiest connections without series get the
// places of those that carried least. Most ticks do nothing.
func (a *Aggregator) rank(feedNow time.Duration) {
	a.mu.Lock()
	t := a.top
	if t == nil || !t.over(feedNow) {
		a.mu.Unlock()
		return
	}
	others := t.others
	t.others, t.promised = newBusiest(sketchRatio*t.k), nil
	k := t.k
	a.mu.Unlock()

	own := a.candidates(t)
	challengers := others.ranked()
	slices.SortFunc(own, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.bytes, y.bytes), cmp.Compare(x.i, y.i))
	})
	a.mu.Lock()
	fit := a.fit()
	a.mu.Unlock()
	losers, winners := decide(own, challengers, k, fit)

	for part := range slices.Chunk(own[:losers], batch) {
		a.mu.Lock()
		for _, c := range part {
			a.demote(t, c)
		}
		a.journal.seal(feedNow)
		a.mu.Unlock()
	}
	promised := make(map[uint64]struct{}, winners)
	for _, c := range challengers[:winners] {
		promised[c.id] = struct{}{}
	}
	a.mu.Lock()
	t.promised = promised
	a.mu.Unlock()
}

// over says whether a window is, and begins the next one. One is whole only if it
// was seen from its beginning, so the first begins with the first tick.
func (t *top) over(feedNow time.Duration) bool {
	if t.begun && feedNow-t.began < t.length {
		return false
	}
	over := t.begun
	t.began, t.begun = feedNow, true
	return over
}

// candidates returns the connections that have places, and what each carried.
func (a *Aggregator) candidates(t *top) (own []candidate) {
	for next, end := uint32(0), false; !end; {
		a.mu.Lock()
		cs := t.of
		size := cs.records.size
		for limit := min(next+batch, size); next < limit; next++ {
			c := cs.records.at(next)
			if !c.used || c.overflow {
				continue
			}
			t.windows.reach(next)
			w := t.windows.at(next)
			if c.phase != ended && c.phase != closing && !c.ending {
				own = append(own, candidate{next, c.values, *w})
			}
			*w = 0
		}
		end = next == size
		a.mu.Unlock()
	}
	return own
}

// decide says how many of those with series lose them, the first ones, and how many
// of the others get some, the first ones. own is in order of bytes, the least first,
// challengers the other way; k is how many may have series, and fit how many more
// the other bounds have room for.
//
// Who has series keeps them unless a challenger carried a quarter more: so equals do
// not take turns, and one update more or less in a window, of five with the default
// ones, makes no difference.
func decide(own []candidate, challengers []counter, k, fit int) (losers, winners int) {
	losers = max(0, len(own)-k)
	free := max(0, min(k-len(own), fit))
	for _, c := range challengers {
		switch {
		case free > 0:
			free--
		case losers < len(own) && c.surely() > own[losers].bytes+own[losers].bytes/4:
			losers++
		default:
			return losers, winners
		}
		if winners++; winners == k {
			break
		}
	}
	return losers, winners
}

// demote ends a connection's series. Until their stale markers are out, and from
// then on, the overflow counts what it carries.
func (a *Aggregator) demote(t *top, was candidate) {
	if a.connections != t.of {
		return
	}
	c := a.connections.records.at(was.i)
	if !c.used || c.values != was.values || c.phase == ended || c.phase == closing || c.ending {
		return // it ends by itself
	}
	a.connections.demote(was.i)
	a.demotions++
}
