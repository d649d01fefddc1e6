// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// conversation applies a record about conversations.
func (r *replay) conversation(k kind, d *decoder) {
	a := r.a
	if k == kindConversationKey {
		copy(a.conversationKey[:], d.Take(uint64(len(a.conversationKey))))
		return
	}
	id := d.id()
	if d.Bad {
		return
	}
	if k == kindConversation {
		a.baselines.records.reach(id)
		b := a.baselines.records.at(id)
		b.conversation, b.group = conversationID(d.Uint64()), groupRef(d.id())
		flags := d.Byte()
		b.from.set(isLow, flags&flagLow != 0)
		b.from.set(isObserved, flags&flagObserved != 0)
		b.from.set(isOuter, flags&flagOuter != 0)
		b.from.set(isMixed, flags&flagMixed != 0)
		b.from.set(isLeftOut, flags&flagLeftOut != 0)
		return
	}
	if k == kindHistory {
		var history counts
		d.counts(&history)
		a.baselines.histories[id] = history
		return
	}
	if id == 0 {
		d.Bad = true
		return
	}
	a.groups.records.reach(id - 1)
	g := a.groups.at(groupRef(id))
	switch k {
	case kindGroup:
		g.used, g.first, g.low = true, d.id(), d.Byte() != 0
		g.raised = time.Duration(d.Varint())
		d.counts(&g.total)
		d.counts(&g.history)
	case kindGroupFree:
		*g = group{}
	case kindObserver:
		r.observer(g, d)
	case kindObserverFree:
		g.remove(d.id())
	}
}

func (r *replay) observer(g *group, d *decoder) {
	o := observer{source: d.id()}
	flags := d.Byte()
	o.aligned, o.fromStart, o.trusted = flags&flagAligned != 0, flags&flagFromStart != 0, flags&flagTrusted != 0
	o.seen = time.Duration(d.Varint())
	o.at, o.beforeAt, o.start, o.took = d.Varint(), d.Varint(), d.Varint(), d.Varint()
	for _, c := range [...]*counts{&o.view, &o.before, &o.startView, &o.sum} {
		d.counts(c)
	}
	if have := g.observer(o.source); have != nil {
		*have = o
		return
	}
	g.observers = append(g.observers, o)
}

// finishGroups links baselines, conversations and groups, once all of them are
// read and the baselines are in order. It returns how many baselines or groups
// contradict others.
func (r *replay) finishGroups() (dropped int) {
	a := r.a
	bs, gs := a.baselines, &a.groups.records
	for i := range bs.records.size {
		b := bs.records.at(i)
		if !b.from.is(isUsed) {
			delete(bs.histories, i)
			continue
		}
		id := b.conversation
		b.conversation, b.prevKin, b.nextKin = 0, none, none
		if id != 0 {
			bs.join(i, id)
		}
		if b.group == 0 {
			continue
		}
		if uint32(b.group) > gs.size || !a.groups.at(b.group).used || id == 0 {
			b.group = 0
			b.from.set(isObserved, false)
			dropped++
			continue
		}
		g := a.groups.at(b.group)
		g.members++
		if o := g.observer(b.from.source()); o != nil && b.from.is(isObserved) {
			o.members++
		} else if b.from.is(isObserved) {
			dropped++
		}
	}
	for i := range gs.size {
		g := gs.at(i)
		if g.used && (g.members == 0 || !r.keepGone(g)) {
			dropped++
			g.used = false
		}
	}
	gs.reclaim(func(g *group) bool { return g.used })
	return dropped
}

// keepGone makes observers without baselines keep their sources, and says whether all
// have one, and labels are told by an observer.
func (r *replay) keepGone(g *group) bool {
	list := r.a.sources.list
	for i := range g.observers {
		o := &g.observers[i]
		if int(o.source) >= len(list) || list[o.source] == nil {
			return false
		}
		if o.members == 0 {
			list[o.source].baselines++
		}
	}
	return len(g.observers) == 0 || g.observer(g.first) != nil
}
