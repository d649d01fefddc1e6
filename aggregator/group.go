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
	raised    time.Duration // feed time at which the total last rose
	first     uint32        // source of the first observer: labels are as it tells
	members   uint32        // baselines
	low       bool          // of the first observer's flow, as in baseline
	used      bool          // false: a free record
	observers []observer
}

// observer is a source that sees a conversation. Times are in ms on its agent's
// clock; 0 is not known.
type observer struct {
	view   counts
	at     int64 // of the latest packet in view, or later
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
	members   uint32 // its baselines
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
		if j != i && (newest == nil || r.start > newest.start) {
			newest = r
		}
	}
	g.first, g.low = newest.from.source(), newest.from.is(isLow)
	o := observer{source: newest.from.source(), start: newest.start, aligned: true, fromStart: true}
	untimed := false
	for j := bs.firstOf(id); j != none; j = bs.nextOf(j) {
		r := bs.records.at(j)
		if j == i {
			continue
		}
		c := r.counts
		if r.from.is(isLow) != g.low {
			c = c.swapped()
		}
		o.view.add(&c)
		if r != newest && r.last > 0 && r.last < newest.start {
			o.startView.add(&c)
		}
		o.members++
		untimed = untimed || r.last <= 0
		o.at, o.seen = max(o.at, r.last), max(o.seen, r.seen.time())
		r.from.set(isObserved, true)
		a.journal.conversation(j, r)
	}
	if untimed {
		o.at = 0
	}
	o.trusted = time.UnixMilli(o.at).Sub(a.now().Add(o.seen-feedNow)).Abs() <= clockTrust
	g.total, g.raised = o.view, o.seen
	g.observers = append(g.observers, o)
	a.journal.observer(ref, &o)
}

// leave takes a baseline that is forgotten out of its group. An observer goes with
// its last one, the group with the last of all.
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
	if g.members--; g.members == 0 {
		a.groups.records.release(uint32(ref) - 1)
		a.journal.groupFree(ref)
	}
}

func (a *Aggregator) leaveObserver(ref groupRef, g *group, source uint32) {
	o := g.observer(source)
	if o.members--; o.members > 0 {
		return
	}
	g.remove(source)
	a.journal.observerFree(ref, source)
	if g.first == source && len(g.observers) > 0 {
		g.first = g.observers[0].source
		a.journal.group(ref, g)
	}
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
