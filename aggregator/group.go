// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// A group is a conversation with several observers. Each has a view: what the
// conversation had carried when it reported last, as far as it can know. What
// raises the total, the highest view of any, counts; the rest was counted before.
// So it does not matter who reports first, nor who stops: the others' views pass
// the total by themselves.
//
// No view may ever be above what the conversation did carry, or what another
// observer reports later would count although it was counted. So where it is not
// certain what an observer has missed, its view is the highest that is certain.
type group struct {
	total     counts        // from when the first flow began that is known of
	history   counts        // of it: what does not count
	raised    time.Duration // feed time at which the total last rose
	first     uint32        // source of the first observer: labels are as it tells
	members   uint32        // baselines
	low       bool          // of the first observer's flow, as in baseline
	used      bool          // false: a free record
	observers []observer
}

// observer is a source that sees a conversation. Times are in ms on its agent's
// clock; 0 is not known.
//
// One whose flows are all forgotten stays as long as the group does: should it come
// back, it goes on from what it knew.
type observer struct {
	view counts
	// sum is what counts of its own flows: the group counts as much, whatever others told.
	sum counts
	at  int64 // of the latest packet in view, or later
	// took is until when view has what others told: what the observer's own flows
	// carried before may be among it.
	took   int64
	before counts
	// beforeAt is of the record before that: of two observers that report at the
	// same pace, one has always reported something that the other knows as well.
	beforeAt int64
	// startView is what the conversation had carried, at least, when this
	// observer's present flow began.
	start     int64
	startView counts
	seen      time.Duration // feed time of its latest record
	source    uint32
	members   uint32 // its baselines; 0: all are forgotten
	aligned   bool   // what it missed before it came is in its view
	fromStart bool   // and startView is exact
	trusted   bool   // its clock was about right
}

// groupRef is a group's number and one; 0 is none.
type groupRef uint32

type groups struct{ records slab[group] }

func (gs *groups) at(ref groupRef) *group { return gs.records.at(uint32(ref) - 1) }

func (g *group) observer(source uint32) *observer {
	for i := range g.observers {
		if g.observers[i].source == source {
			return &g.observers[i]
		}
	}
	return nil
}

// form makes a group of a conversation whose second observer's first flow is
// baseline i. All others are flows of the first one.
func (a *Aggregator) form(i uint32, feedNow time.Duration) {
	bs := a.baselines
	n := a.groups.records.alloc()
	ref, g := groupRef(n+1), a.groups.records.at(n)
	g.used = true
	id := bs.records.at(i).conversation
	var newest *baseline
	for j := bs.firstOf(id); j != none; j = bs.nextOf(j) {
		r := bs.records.at(j)
		r.group = ref
		g.members++
		if j != i && (newest == nil || a.startOf(r, feedNow) > a.startOf(newest, feedNow)) {
			newest = r
		}
	}
	g.first, g.low = newest.from.source(), newest.from.is(isLow)
	o := observer{source: newest.from.source(), start: newest.start, aligned: true, fromStart: true}
	began := a.startOf(newest, feedNow)
	untimed := began == 0
	for j := bs.firstOf(id); j != none; j = bs.nextOf(j) {
		r := bs.records.at(j)
		if j == i {
			continue
		}
		c, history := r.counts, bs.histories[j]
		if r.from.is(isLow) != g.low {
			c, history = c.swapped(), history.swapped()
		}
		o.view.add(&c)
		if r != newest && r.last > 0 && r.last < began {
			o.startView.add(&c)
		}
		history = history.atMost(c)
		g.history.add(&history)
		o.members++
		untimed = untimed || r.last <= 0
		o.at, o.seen = max(o.at, r.last), max(o.seen, r.seen.time())
		r.from.set(isObserved, true)
		a.journal.conversation(j, r)
	}
	if untimed {
		o.at = 0
	}
	o.trusted = a.trusts(a.sources.list[o.source].node, o.at+(feedNow-o.seen).Milliseconds(), feedNow)
	g.total, g.raised, o.sum = o.view, o.seen, o.view.minus(g.history)
	g.observers = append(g.observers, o)
	a.journal.observer(ref, &o)
}

// startOf returns when a flow began, or 0 where that was on a clock that has been set
// back since, so that nothing can be compared with it.
func (a *Aggregator) startOf(r *baseline, feedNow time.Duration) int64 {
	n := a.sources.list[r.from.source()].node
	if n.clock.doubt != nil || n.clock.former(r.start, n.period(feedNow)) {
		return 0
	}
	return r.start
}

// raise counts what of an observer's delta nobody has reported before, and returns it.
// Two things tell that there is some: the observer knows that more passed than anybody
// knew of, or its own flows carried more than was counted, nothing of which is told
// twice. So as much counts as the observer that has most would count alone.
//
// The total rises by what counts and no more: what a view has beyond it is history to
// this observer, but another one may yet report it.
func (g *group) raise(o *observer, most counts) (delta counts) {
	own := o.sum
	own.add(&g.history)
	delta = o.view.raisedTo(own).raisedTo(g.total).minus(g.total).atMost(most)
	g.total.add(&delta)
	return delta
}

// leave takes a baseline that is forgotten out of its group, which goes with the last
// of all.
func (a *Aggregator) leave(i uint32) {
	r := a.baselines.records.at(i)
	if r.group == 0 {
		return
	}
	ref, g := r.group, a.groups.at(r.group)
	r.group = 0
	if r.from.is(isObserved) {
		a.leaveObserver(ref, g, r.from.source())
	}
	if g.members--; g.members > 0 {
		return
	}
	for i := range g.observers {
		if o := &g.observers[i]; o.members == 0 {
			a.sources.list[o.source].baselines--
		}
	}
	a.groups.records.release(uint32(ref) - 1)
	a.journal.groupFree(ref)
}

// leaveObserver takes a baseline from an observer. With none left the observer keeps
// its source, as a baseline would. Labels are told by one that has some.
func (a *Aggregator) leaveObserver(ref groupRef, g *group, source uint32) {
	o := g.observer(source)
	if o.members--; o.members > 0 {
		return
	}
	a.sources.list[source].baselines++
	if g.first != source {
		return
	}
	for i := range g.observers {
		if g.observers[i].members > 0 {
			g.first = g.observers[i].source
			a.journal.group(ref, g)
			return
		}
	}
}

// join adds an observer that is new to the group, unless it has too many: then it takes
// the place of the one unseen longest of those whose flows are forgotten.
func (a *Aggregator) join(ref groupRef, g *group, source uint32) (o *observer, ok bool) {
	if len(g.observers) >= maxObservers {
		var gone *observer
		for i := range g.observers {
			if o := &g.observers[i]; o.members == 0 && (gone == nil || o.seen < gone.seen) {
				gone = o
			}
		}
		if gone == nil {
			return nil, false
		}
		a.sources.list[gone.source].baselines--
		a.journal.observerFree(ref, gone.source)
		g.remove(gone.source)
	}
	if first := g.observer(g.first); first == nil || first.members == 0 {
		g.first = source // all others are forgotten
	}
	g.observers = append(g.observers, observer{source: source})
	return &g.observers[len(g.observers)-1], true
}

// remove forgets an observer.
func (g *group) remove(source uint32) {
	for i := range g.observers {
		if g.observers[i].source == source {
			g.observers = append(g.observers[:i], g.observers[i+1:]...)
			return
		}
	}
}
