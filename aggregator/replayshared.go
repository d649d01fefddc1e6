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
		b.conversation, b.shared = conversationID(d.Uint64()), sharedRef(d.id())
		flags := d.Byte()
		b.flags.set(isLow, flags&flagLow != 0)
		b.flags.set(isObserved, flags&flagObserved != 0)
		b.flags.set(isOuter, flags&flagOuter != 0)
		b.flags.set(isMixed, flags&flagMixed != 0)
		b.flags.set(isLeftOut, flags&flagLeftOut != 0)
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
	a.shared.records.reach(id - 1)
	g := a.shared.at(sharedRef(id))
	switch k {
	case kindShared:
		g.used, g.primary, g.low = true, d.id(), d.Byte() != 0
		g.raised = time.Duration(d.Varint())
		d.counts(&g.total)
		d.counts(&g.history)
	case kindSharedFree:
		*g = sharedConversation{}
	case kindObserver:
		r.observer(g, d)
	case kindObserverFree:
		g.remove(d.id())
	}
}

func (r *replay) observer(g *sharedConversation, d *decoder) {
	o := observer{origin: d.id()}
	flags := d.Byte()
	o.aligned, o.fromStart, o.trusted = flags&flagAligned != 0, flags&flagFromStart != 0, flags&flagTrusted != 0
	o.seen = time.Duration(d.Varint())
	o.viewAt, o.previousAt, o.start, o.mergedUntil = d.Varint(), d.Varint(), d.Varint(), d.Varint()
	for _, c := range [...]*counts{&o.view, &o.previousView, &o.startView, &o.ownCounts} {
		d.counts(c)
	}
	if have := g.observer(o.origin); have != nil {
		*have = o
		return
	}
	g.observers = append(g.observers, o)
}

// finishShared links baselines and conversations, once the baselines are in order. It returns
// how many records contradict others.
func (r *replay) finishShared() (dropped int) {
	a := r.a
	bs, gs := a.baselines, &a.shared.records
	for i := range bs.records.size {
		b := bs.records.at(i)
		if !b.flags.is(isUsed) {
			delete(bs.histories, i)
			continue
		}
		id := b.conversation
		b.conversation, b.prevInBucket, b.nextInBucket = 0, none, none
		if id != 0 {
			bs.addToConversation(i, id)
		}
		if b.shared == 0 {
			continue
		}
		if uint32(b.shared) > gs.size || !a.shared.at(b.shared).used || id == 0 {
			b.shared = 0
			b.flags.set(isObserved, false)
			dropped++
			continue
		}
		g := a.shared.at(b.shared)
		g.members++
		if o := g.observer(b.flags.originID()); o != nil && b.flags.is(isObserved) {
			o.members++
		} else if b.flags.is(isObserved) {
			dropped++
		}
	}
	for i := range gs.size {
		g := gs.at(i)
		if g.used && (g.members == 0 || !r.keepUnused(g)) {
			dropped++
			g.used = false
		}
	}
	gs.reclaim(func(g *sharedConversation) bool { return g.used })
	return dropped
}

// keepUnused makes observers without baselines keep their origins in use, and reports whether
// all have an origin, and the primary observer exists.
func (r *replay) keepUnused(g *sharedConversation) bool {
	list := r.a.origins.list
	for i := range g.observers {
		o := &g.observers[i]
		if int(o.origin) >= len(list) || list[o.origin] == nil {
			return false
		}
		if o.members == 0 {
			list[o.origin].baselines++
		}
	}
	return len(g.observers) == 0 || g.observer(g.primary) != nil
}
