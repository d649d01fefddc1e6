// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"time"
)

// A sharedConversation has several observers. Each has a view: a lower bound of what the
// conversation had carried when it reported last. What raises the total, the highest view of
// any, counts; the rest is a duplicate. So it does not matter which observer reports first,
// nor which one stops: the views of the others exceed the total in time.
//
// A view must never be above what the conversation did carry, or bytes would count twice. So
// where it is not certain what an observer has missed, its view is the highest that is certain.
type sharedConversation struct {
	total     counts        // since the first known flow began
	history   counts        // the part of total that does not count
	raised    time.Duration // feed time at which the total last rose
	primary   uint32        // origin of the primary observer, which gives the labels
	members   uint32        // baselines
	low       bool          // isLow of the primary observer's flow
	used      bool          // false: a free record
	observers []observer
}

// observer is an origin that sees a conversation. Times are in ms on its agent's clock; 0 is
// not known. It stays in the conversation after its flows were evicted, and resumes with its
// view if it reports again.
type observer struct {
	view counts
	// ownCounts is what counts of its own flows: the conversation counts at least as much.
	ownCounts counts
	viewAt    int64 // an upper bound of the time of the latest packet in view
	// mergedUntil is up to when view has what others reported, of which the observer's own
	// flows may have carried some.
	mergedUntil  int64
	previousView counts
	// previousAt is of the record before: of two observers that report at the same rate, one
	// has always reported something that the other has as well.
	previousAt int64
	// startView is a lower bound of what the conversation had carried when this observer's
	// present flow began.
	start     int64
	startView counts
	seen      time.Duration // feed time of its latest record
	origin    uint32
	members   uint32 // its baselines; 0: all were evicted
	aligned   bool   // its view has what it missed before its first record
	fromStart bool   // and startView is exact
	trusted   bool   // its clock is about right
}

// sharedRef is the number of a sharedConversation plus 1; 0 is none.
type sharedRef uint32

type sharedConversations struct{ records slab[sharedConversation] }

func (gs *sharedConversations) at(ref sharedRef) *sharedConversation {
	return gs.records.at(uint32(ref) - 1)
}

func (g *sharedConversation) observer(origin uint32) *observer {
	for i := range g.observers {
		if g.observers[i].origin == origin {
			return &g.observers[i]
		}
	}
	return nil
}

// share makes a conversation a shared one, with baseline i as the first flow of its second
// observer. All others are flows of the first one.
func (a *Aggregator) share(i uint32, feedNow time.Duration) {
	bs := a.baselines
	n := a.shared.records.alloc()
	ref, g := sharedRef(n+1), a.shared.records.at(n)
	g.used = true
	id := bs.records.at(i).conversation
	var newest *baseline
	for j := bs.firstOf(id); j != none; j = bs.nextOf(j) {
		r := bs.records.at(j)
		r.shared = ref
		g.members++
		if j != i && (newest == nil || a.startOf(r, feedNow) > a.startOf(newest, feedNow)) {
			newest = r
		}
	}
	g.primary, g.low = newest.flags.originID(), newest.flags.is(isLow)
	o := observer{origin: newest.flags.originID(), start: newest.start, aligned: true, fromStart: true}
	began := a.startOf(newest, feedNow)
	untimed := began == 0
	for j := bs.firstOf(id); j != none; j = bs.nextOf(j) {
		r := bs.records.at(j)
		if j == i {
			continue
		}
		c, history := r.counts, bs.histories[j]
		if r.flags.is(isLow) != g.low {
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
		o.viewAt, o.seen = max(o.viewAt, r.last), max(o.seen, r.seen.time())
		r.flags.set(isObserved, true)
	}
	if untimed {
		o.viewAt = 0
	}
	o.trusted = a.trusts(a.origins.at(o.origin).node, o.viewAt+(feedNow-o.seen).Milliseconds(), feedNow)
	g.total, g.raised, o.ownCounts = o.view, o.seen, o.view.minus(g.history)
	g.observers = append(g.observers, o)
}

// startOf returns when a flow began, or 0 where the clock has been set back since, so that it
// cannot be compared.
func (a *Aggregator) startOf(r *baseline, feedNow time.Duration) int64 {
	n := a.origins.at(r.flags.originID()).node
	if n.clock.pending != nil || n.clock.isFormer(r.start, n.period(feedNow)) {
		return 0
	}
	return r.start
}

// raise adds the part of an observer's delta that no observer has reported before to the
// total, and returns it: the amount by which the view, or what the observer's own flows
// carried, exceeds the total. So as much counts as the observer that reports most would
// count alone.
//
// The total rises only by what counts: what a view has beyond it is history to this
// observer, but another one may yet report it.
func (g *sharedConversation) raise(o *observer, most counts) (delta counts) {
	own := o.ownCounts
	own.add(&g.history)
	delta = o.view.raisedTo(own).raisedTo(g.total).minus(g.total).atMost(most)
	g.total.add(&delta)
	return delta
}

// leaveConversation removes an evicted baseline from its shared conversation, which ends with
// the last one.
func (a *Aggregator) leaveConversation(i uint32) {
	r := a.baselines.records.at(i)
	if r.shared == 0 {
		return
	}
	ref, g := r.shared, a.shared.at(r.shared)
	r.shared = 0
	if r.flags.is(isObserved) {
		a.leaveObserver(g, r.flags.originID())
	}
	if g.members--; g.members > 0 {
		return
	}
	for i := range g.observers {
		if o := &g.observers[i]; o.members == 0 {
			a.origins.at(o.origin).baselines--
		}
	}
	a.shared.records.release(uint32(ref) - 1)
}

// leaveObserver removes a baseline from an observer. With none left the observer keeps its
// origin in use, as a baseline does, and another one becomes the primary observer.
func (a *Aggregator) leaveObserver(g *sharedConversation, origin uint32) {
	o := g.observer(origin)
	if o.members--; o.members > 0 {
		return
	}
	a.origins.at(origin).baselines++
	if g.primary != origin {
		return
	}
	for i := range g.observers {
		if g.observers[i].members > 0 {
			g.primary = g.observers[i].origin
			return
		}
	}
}

// addObserver adds an observer. Above the bound it replaces the one with the oldest latest
// record among those whose flows were evicted; not ok: there is none.
func (a *Aggregator) addObserver(g *sharedConversation, origin uint32) (o *observer, ok bool) {
	if len(g.observers) >= maxObservers {
		var oldest *observer
		for i := range g.observers {
			if o := &g.observers[i]; o.members == 0 && (oldest == nil || o.seen < oldest.seen) {
				oldest = o
			}
		}
		if oldest == nil {
			return nil, false
		}
		a.origins.at(oldest.origin).baselines--
		g.remove(oldest.origin)
	}
	if first := g.observer(g.primary); first == nil || first.members == 0 {
		g.primary = origin // all others have no flows
	}
	g.observers = append(g.observers, observer{origin: origin})
	return &g.observers[len(g.observers)-1], true
}

// remove removes an observer.
func (g *sharedConversation) remove(origin uint32) {
	g.observers = slices.DeleteFunc(g.observers, func(o observer) bool { return o.origin == origin })
}
