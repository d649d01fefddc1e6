// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/aggregator/sketch"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

// wholeState encodes or decodes all that decides on later samples. Both directions are one
// walk over the fields. Neither metrics nor rates are part of it, and no tick may be running.
type wholeState struct {
	encoding bool
	out      []byte
	in       disk.Decoder
	nodes    []*node
}

// stateOf returns the state of an aggregator.
func stateOf(a *Aggregator) []byte {
	c := wholeState{encoding: true}
	c.aggregator(a)
	return c.out
}

// restoreState gives a new aggregator of the same configuration a state, and reports whether
// that is one.
func restoreState(a *Aggregator, state []byte) (ok bool) {
	c := wholeState{in: disk.Decoder{Rest: state}}
	c.aggregator(a)
	return !c.in.Bad && len(c.in.Rest) == 0
}

// number walks over an integer.
func number[T ~int | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64](c *wholeState, v *T) {
	if c.encoding {
		c.out = binary.AppendVarint(c.out, int64(*v))
	} else {
		*v = T(c.in.Varint())
	}
}

func numbers[T ~int | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64](c *wholeState, all ...*T) {
	for _, v := range all {
		number(c, v)
	}
}

func (c *wholeState) flags(all ...*bool) {
	for _, v := range all {
		n := flag(*v)
		number(c, &n)
		*v = n != 0
	}
}

func (c *wholeState) text(v *string) {
	if c.encoding {
		c.out = disk.AppendString(c.out, *v)
	} else {
		*v = c.in.String()
	}
}

// list walks over a slice.
func list[T any](c *wholeState, all *[]T, walk func(*T)) {
	n := len(*all)
	if number(c, &n); !c.encoding {
		*all = nil
		if n > 0 {
			*all = make([]T, n)
		}
	}
	for i := range *all {
		walk(&(*all)[i])
	}
}

// dictionary walks over a map, in the order of its keys.
func dictionary[K cmp.Ordered, V any](c *wholeState, p *map[K]V, walk func(*K, *V)) {
	all := *p
	n := len(all)
	number(c, &n)
	if c.encoding {
		for _, k := range slices.Sorted(maps.Keys(all)) {
			v := all[k]
			walk(&k, &v)
		}
		return
	}
	if clear(all); all == nil && n > 0 {
		all = map[K]V{}
		*p = all
	}
	for range n {
		var k K
		var v V
		walk(&k, &v)
		all[k] = v
	}
}

// records walks over a slab.
func records[T any](c *wholeState, s *slab[T], walk func(i uint32, r *T)) {
	size, free := s.size, s.free
	numbers(c, &size)
	numbers(c, &s.used)
	list(c, &free, func(i *uint32) { number(c, i) })
	if !c.encoding && size > 0 {
		s.reach(size - 1)
	}
	s.free = free
	isFree := map[uint32]bool{}
	for _, i := range free {
		isFree[i] = true
	}
	for i := range size {
		if !isFree[i] {
			walk(i, s.at(i))
		}
	}
}

func (c *wholeState) counts(all ...*counts) {
	for _, v := range all {
		numbers(c, &v.bytes[0], &v.bytes[1], &v.packets[0], &v.packets[1])
	}
}

func (c *wholeState) aggregator(a *Aggregator) {
	numbers(c, &a.time, &a.wall, &a.lastTick, &a.latest.before, &a.latest.at, &a.latest.zero, &a.latest.rushed, &a.earliestZero)
	numbers(c, &a.scope, &a.held)
	numbers(c, &a.samples.latest, &a.samples.shown)
	c.flags(&a.noGridTick, &a.ending)
	for i := range a.conversationKey {
		number(c, &a.conversationKey[i])
	}
	number(c, &a.clock.elapsed)
	number(c, &a.clock.asOf)
	list(c, &a.clock.analyzers, func(s *analyzerState) {
		c.text(&s.name)
		c.flags(&s.live)
		number(c, &s.since)
	})
	c.origins(a)
	c.baselines(a)
	c.shared(a)
	c.connections(a)
	c.captures(a)
	c.interfaces(a)
	c.known(a)
	c.top(a)
	listeners, hand := a.listeners.State()
	list(c, &listeners, func(l *label.Listener) { c.text(&l.Key); c.flags(&l.Used) })
	if number(c, &hand); !c.encoding {
		a.listeners.Restore(listeners, hand)
	}
	for i := range a.tags.key {
		number(c, &a.tags.key[i])
	}
	dictionary(c, &a.tags.known, func(mask *conversationID, t *tag) { number(c, mask); numbers(c, &t.vlan, &t.vni) })
}

// node walks over a reference to a node, -1 for none.
func (c *wholeState) node(n **node) {
	i := slices.Index(c.nodes, *n)
	if number(c, &i); !c.encoding && i >= 0 && i < len(c.nodes) {
		*n = c.nodes[i]
	}
}

func (c *wholeState) origins(a *Aggregator) {
	ss := a.origins
	if c.encoding {
		for _, tid := range slices.Sorted(maps.Keys(ss.nodes.byTID)) {
			c.nodes = append(c.nodes, ss.nodes.byTID[tid])
		}
	}
	numbers(c, &ss.nodes.busy, &ss.hand)
	number(c, &ss.nodes.expire)
	number(c, &ss.nextCapture)
	dictionary(c, &ss.captures, func(id *string, p **capture) {
		if !c.encoding {
			*p = &capture{}
		}
		c.text(id)
		number(c, &(*p).id)
		numbers(c, &(*p).origins, &(*p).known)
		for _, n := range [...]*recentCount{&(*p).portlessLive, &(*p).portlessEnded} {
			number(c, &n.span)
			numbers(c, &n.young, &n.old)
		}
	})
	list(c, &ss.free, func(id *uint32) { number(c, id) })
	list(c, &c.nodes, func(p **node) {
		if !c.encoding {
			*p = &node{nodes: ss.nodes}
		}
		n := *p
		if c.text(&n.tid); !c.encoding {
			ss.nodes.byTID[n.tid] = n
		}
		for i := range n.windows {
			number(c, &n.windows[i])
		}
		numbers(c, &n.largest, &n.knownPeriod, &n.expire, &n.clock.began)
		numbers(c, &n.minute, &n.clock.latest, &n.clock.lead, &n.clock.floor, &n.clock.ambiguousUntil)
		numbers(c, &n.origins, &n.series)
		number(c, &n.overflowBytes)
	})
	list(c, &ss.list, func(p **origin) {
		is := *p != nil
		if c.flags(&is); !is {
			return
		}
		if !c.encoding {
			*p = &origin{}
		}
		c.origin(ss, *p)
	})
	for _, n := range c.nodes {
		pending := n.clock.pending != nil
		if c.flags(&pending); !pending {
			continue
		}
		if !c.encoding {
			n.clock.pending = &pendingStep{}
		}
		d := n.clock.pending
		numbers(c, &d.firstSeen, &d.lastSeen)
		numbers(c, &d.lowest, &d.highest)
		list(c, &d.origins, func(p **origin) {
			id := uint32(0)
			if c.encoding {
				id = (*p).id
			}
			if number(c, &id); !c.encoding && int(id) < len(ss.list) {
				*p = ss.list[id]
			}
		})
	}
}

func (c *wholeState) origin(ss *origins, s *origin) {
	number(c, &s.id)
	c.text(&s.key.nodeTID)
	c.text(&s.key.captureID)
	numbers(c, &s.epoch, &s.alignedEpoch, &s.evicted.start, &s.evicted.last, &s.evictedByBound.start, &s.evictedByBound.last)
	numbers(c, &s.began, &s.seen)
	number(c, &s.baselines)
	held := s.held
	list(c, &held, func(f *input.Flow) {
		e := input.Entry{Kind: input.KindFlows, Flows: []input.Flow{*f}}
		var codec input.Codec
		text := string(codec.Append(nil, &e))
		if c.text(&text); !c.encoding && codec.Decode([]byte(text), &e) == nil {
			*f = e.Flows[0].Clone()
		}
	})
	if c.encoding {
		return
	}
	for _, f := range held {
		s.addHeld(f)
	}
	s.node, s.capture = ss.nodes.byTID[s.key.nodeTID], ss.captures[s.key.captureID]
	ss.byKey[s.key] = s
}

func (c *wholeState) baselines(a *Aggregator) {
	bs := a.baselines
	dictionary(c, &bs.texts, func(i *uint32, text *string) { number(c, i); c.text(text) })
	dictionary(c, &bs.histories, func(i *uint32, n *counts) { number(c, i); c.counts(n) })
	for _, l := range [...]*seenList{&bs.live, &bs.ended, &bs.repeatable} {
		numbers(c, &l.oldest, &l.newest)
	}
	records(c, &bs.records, func(i uint32, b *baseline) {
		c.counts(&b.counts)
		numbers(c, &b.uuid)
		numbers(c, &b.start, &b.last)
		number(c, &b.conversation)
		number(c, &b.seen)
		number(c, &b.flags)
		number(c, &b.shared)
		numbers(c, &b.connection, &b.older, &b.newer, &b.prevInBucket, &b.nextInBucket)
		if !c.encoding {
			key := bs.keyOf(i, a.origins.list[b.flags.originID()])
			bs.byKey.add(bs.hash(&key), i)
		}
	})
	k := &bs.byConversation
	numbers(c, &k.level)
	number(c, &k.split)
	numbers(c, &k.entries[0], &k.entries[1])
	if c.encoding {
		return
	}
	for len(k.chunks)*slabChunk < 1<<k.level+int(k.split) {
		k.grow()
	}
	for i := range bs.records.size {
		if b := bs.records.at(i); b.flags.is(isUsed) && b.conversation != 0 && b.prevInBucket == none {
			*k.head(k.bucket(b.conversation)) = i
		}
	}
}

func (c *wholeState) shared(a *Aggregator) {
	records(c, &a.shared.records, func(_ uint32, g *sharedConversation) {
		c.counts(&g.total, &g.history)
		number(c, &g.raised)
		numbers(c, &g.primary, &g.members)
		c.flags(&g.low, &g.used)
		list(c, &g.observers, func(o *observer) {
			c.counts(&o.view, &o.ownCounts, &o.previousView, &o.startView)
			numbers(c, &o.viewAt, &o.mergedUntil, &o.previousAt, &o.start)
			number(c, &o.seen)
			numbers(c, &o.origin, &o.members)
			c.flags(&o.aligned, &o.fromStart, &o.trusted)
		})
	})
}

func (c *wholeState) connections(a *Aggregator) {
	cs := a.connections
	numbers(c, &cs.series, &cs.own)
	numbers(c, &cs.cut.number, &cs.cut.next, &cs.cut.size)
	for _, all := range [...]*[]departure{&cs.leaving, &cs.ended} {
		list(c, all, func(d *departure) { numbers(c, &d.i, &d.tick) })
	}
	dictionary(c, &cs.deferred, func(i *uint32, n *counts) { number(c, i); c.counts(n) })
	records(c, &cs.records, func(i uint32, n *connection) {
		c.counts(&n.counts)
		s := &n.sampled[a.samples.latest] // the tick before is only shown
		c.counts(&s.counts)
		c.flags(&s.live)
		for g := range n.gauges {
			numbers(c, &n.gauges[g], &s.gauges[g])
		}
		c.text(&n.values)
		numbers(c, &n.traffic, &n.period)
		number(c, &n.start)
		numbers(c, &n.origin, &n.tick)
		number(c, &n.phase)
		number(c, &n.counted)
		c.flags(&n.used, &n.ending, &n.overflow, &n.demoted, &n.own)
		if c.node(&n.node); !c.encoding {
			cs.byKey.add(cs.byKey.hashText(n.values), i)
		}
	})
}

func (c *wholeState) captures(a *Aggregator) {
	cs := a.captures
	numbers(c, &cs.tables, &cs.refreshes)
	list(c, &cs.list, func(p **captureState) {
		if !c.encoding {
			*p = &captureState{}
		}
		n := *p
		for _, row := range [...]*CaptureRow{&n.total, &n.sampled[a.samples.latest]} {
			c.text(&row.CaptureID)
			numbers(c, &row.FlowCount, &row.FlowDropped, &row.KernelFlowDropped, &row.PacketsDropped, &row.PacketsReceived, &row.FlowsKnown)
			c.flags(&row.HasPackets)
		}
		c.flags(&n.live[a.samples.latest], &n.ending)
		number(c, &n.phase)
		number(c, &n.seen)
		number(c, &n.start)
		list(c, &n.tables, func(t *table) { number(c, &t.seen); number(c, &t.stats.FlowCount) })
		if !c.encoding {
			cs.byID[n.total.CaptureID] = n
		}
	})
	dictionary(c, &cs.packets, func(id *string, p **packetCounts) {
		if !c.encoding {
			*p = &packetCounts{byNode: map[string]*nodePackets{}}
		}
		c.text(id)
		dictionary(c, &(*p).byNode, func(tid *string, n **nodePackets) {
			if !c.encoding {
				*n = &nodePackets{}
				(*p).list = append((*p).list, *n)
			}
			c.text(tid)
			numbers(c, &(*n).latest[0], &(*n).latest[1], &(*n).earlier[0], &(*n).earlier[1])
			numbers(c, &(*n).changed[0], &(*n).changed[1], &(*n).changed[2])
		})
	})
}

func (c *wholeState) interfaces(a *Aggregator) {
	is := &a.interfaces
	list(c, &is.list, func(p **interfaceState) {
		if !c.encoding {
			*p = &interfaceState{}
		}
		n := *p
		l := &n.labels
		for _, text := range [...]*string{&l.Name, &l.Host, &l.Type, &l.IPv4, &l.IPv6, &l.NodeTID} {
			c.text(text)
		}
		for i := range n.now {
			numbers(c, &n.now[i], &n.sampled[a.samples.latest][i])
		}
		c.flags(&n.live[a.samples.latest], &n.present, &n.ending)
		number(c, &n.phase)
		if !c.encoding {
			is.byLabels[*l] = n
		}
	})
}

func (c *wholeState) known(a *Aggregator) {
	number(c, &a.known.since)
	for _, r := range [...]*recentFlows{&a.known.live, &a.known.ended} {
		number(c, &r.rotated)
		number(c, &r.span)
		for _, flows := range [...]map[portlessFlow]*recentCount{r.young, r.old} {
			keys := slices.SortedFunc(maps.Keys(flows), func(x, y portlessFlow) int {
				return cmp.Or(cmp.Compare(x.uuid, y.uuid), cmp.Compare(x.capture, y.capture))
			})
			list(c, &keys, func(f *portlessFlow) {
				number(c, &f.uuid)
				if number(c, &f.capture); c.encoding {
					return
				}
				for _, p := range a.origins.captures {
					if p.id == f.capture {
						flows[*f] = map[bool]*recentCount{true: &p.portlessLive, false: &p.portlessEnded}[r == &a.known.live]
					}
				}
			})
		}
	}
}

func (c *wholeState) top(a *Aggregator) {
	t := a.top
	if t == nil {
		return
	}
	numbers(c, &t.began, &t.length)
	c.flags(&t.begun)
	windows := make([]uint64, t.windows.size)
	for i := range windows {
		windows[i] = *t.windows.at(uint32(i))
	}
	list(c, &windows, func(n *uint64) { number(c, n) })
	others := t.others.Counters()
	list(c, &others, func(n *sketch.Counter) { numbers(c, &n.ID, &n.Bytes, &n.Error) })
	promised := slices.Sorted(maps.Keys(t.promised))
	list(c, &promised, func(id *uint64) { number(c, id) })
	result := t.result != nil
	if c.flags(&result); result {
		if !c.encoding {
			t.result = &rankingResult{promised: map[uint64]struct{}{}}
		}
		list(c, &t.result.losers, func(l *candidate) { number(c, &l.i); c.text(&l.values); number(c, &l.bytes) })
		ids := slices.Sorted(maps.Keys(t.result.promised))
		list(c, &ids, func(id *uint64) { number(c, id) })
		for _, id := range ids {
			t.result.promised[id] = struct{}{}
		}
	}
	if c.encoding {
		return
	}
	for i, n := range windows {
		t.windows.reach(uint32(i))
		*t.windows.at(uint32(i)) = n
	}
	t.others.Restore(others)
	t.promised = map[uint64]struct{}{}
	for _, id := range promised {
		t.promised[id] = struct{}{}
	}
}
