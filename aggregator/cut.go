// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// cut is the tick that is being sampled. A connection that is about to change before the walk
// has come to it is sampled first.
type cut struct {
	number  uint32           // of the tick; connections have that of the tick that sampled them last
	next    uint32           // the walk has come to it
	size    uint32           // connections from here on came later
	feedNow time.Duration    // when it began
	early   map[uint32]Point // what was sampled before the walk came
}

// beginCut begins a tick.
func (cs *connections) beginCut(feedNow time.Duration) {
	cs.cut = cut{number: cs.cut.number + 1, size: cs.records.size, feedNow: feedNow, early: map[uint32]Point{}}
}

// walk appends the points of the next connections of the running tick, in their order, and
// reports whether it has come to the end.
func (a *Aggregator) walk(points []Point) (_ []Point, end bool) {
	cs := a.connections
	cut := &cs.cut
	for limit := min(cut.next+batch, cut.size); cut.next < limit; cut.next++ {
		i, had := cut.next, len(points)
		if cs.records.peek(i).tick != cut.number {
			points = a.sample(points, i)
		} else if p, ok := cut.early[i]; ok {
			points = append(points, p)
			delete(cut.early, i)
		}
		if len(points) > had && points[had].End { // whether or not it has returned since
			cs.ended = append(cs.ended, departure{i, cut.number})
		}
	}
	return points, cut.next == cut.size
}

// sampleFirst samples a connection that is about to change, unless the running tick has done
// so.
func (a *Aggregator) sampleFirst(i uint32) {
	if a.connections.records.peek(i).tick == a.connections.cut.number {
		return // here, for it is inlined
	}
	a.sampleEarly(i)
}

func (a *Aggregator) sampleEarly(i uint32) {
	var one [1]Point
	for _, p := range a.sample(one[:0], i) {
		a.connections.cut.early[i] = p
	}
}

// departure is a connection whose stale markers were sampled at the tick of that number.
type departure struct{ i, tick uint32 }

// depart has connections that ended at the tick before removed from now on, unless they return.
func (cs *connections) depart() { cs.leaving, cs.ended = append(cs.leaving, cs.ended...), nil }

// removeEnded removes some of the connections that ended at a former tick and have not
// returned.
func (cs *connections) removeEnded(most int) {
	for ; most > 0 && len(cs.leaving) > 0; most-- {
		d := cs.leaving[0]
		cs.leaving = cs.leaving[1:]
		if c := cs.records.at(d.i); c.phase == ended && c.tick == d.tick {
			cs.remove(d.i)
		}
	}
}
