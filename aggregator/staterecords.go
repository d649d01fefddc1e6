// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"

	"github.com/skydive-project/skybridge/input"
)

// node walks over a node. What is decoded of others may have referred to it before.
func (s *stateCoder) node(i uint32, p **node) {
	c, used := &s.coder, *p != nil
	if c.flags(&used); !used {
		return
	}
	if !s.encoding {
		s.nodeAt(i)
	}
	n := *p
	c.text(&n.tid)
	for i := range n.windows {
		signed(c, &n.windows[i])
	}
	signed(c, &n.knownPeriod, &n.expire, &n.clock.began)
	signed(c, &n.minute, &n.clock.latest, &n.clock.lead, &n.clock.floor, &n.clock.ambiguousUntil)
	unsigned(c, &n.overflowBytes)
	n.largest = slices.Max(n.windows[:])
	pending := n.clock.pending != nil
	if c.flags(&pending); !pending {
		return
	}
	if !s.encoding {
		n.clock.pending = &pendingStep{}
	}
	d := n.clock.pending
	signed(c, &d.firstSeen, &d.lastSeen)
	signed(c, &d.lowest, &d.highest)
	list(c, &d.origins, func(id *uint32) { unsigned(c, id) })
}

// nodeAt returns the node of that number, which may not have been decoded yet.
func (s *stateCoder) nodeAt(i uint32) *node {
	ns := s.a.origins.nodes
	if s.require(i < s.sections[0].size); s.in.Bad {
		return nil
	}
	p := ns.records.place(i)
	if *p == nil {
		*p = &node{nodes: ns, id: i}
	}
	return *p
}

// nodeRef walks over a reference to a node, which may be none.
func (s *stateCoder) nodeRef(n **node) {
	ref := uint32(0)
	if *n != nil {
		ref = (*n).id + 1
	}
	if unsigned(&s.coder, &ref); !s.encoding && ref > 0 {
		*n = s.nodeAt(ref - 1)
	}
}

func (s *stateCoder) origin(i uint32, p **origin) {
	c, used := &s.coder, *p != nil
	if c.flags(&used); !used {
		return
	}
	if !s.encoding {
		*p = &origin{id: i, capture: &capture{}}
	}
	o := *p
	s.nodeRef(&o.node)
	unsigned(c, &o.capture.id)
	c.text(&o.key.captureID)
	signed(c, &o.epoch, &o.alignedEpoch, &o.evicted.start, &o.evicted.last, &o.evictedByBound.start, &o.evictedByBound.last)
	signed(c, &o.began, &o.seen)
	for i := range o.held { // of none where it is decoded
		s.held = append(s.held, heldRecord{o.id, &o.held[i]})
	}
}

func (s *stateCoder) heldRecord(h *heldRecord) {
	unsigned(&s.coder, &h.origin)
	var codec input.Codec
	e, text := input.Entry{Kind: input.KindFlows}, ""
	if s.encoding {
		e.Flows = []input.Flow{*h.flow}
		text = string(codec.Append(nil, &e))
	}
	if s.text(&text); !s.encoding {
		s.require(codec.Decode([]byte(text), &e) == nil && len(e.Flows) == 1)
		if !s.in.Bad {
			flow := e.Flows[0].Clone()
			h.flow = &flow
		}
	}
}

func (s *stateCoder) baseline(i uint32, b *baseline) {
	c, bs := &s.coder, s.a.baselines
	if unsigned(c, &b.flags); !b.flags.is(isUsed) {
		s.require(b.flags == 0)
		return
	}
	text, isText := bs.texts[i]
	history, hasHistory := bs.histories[i]
	inConversation := b.conversation != 0
	if c.flags(&isText, &hasHistory, &inConversation); isText {
		c.text(&text)
	} else {
		hash(c, &b.uuid)
	}
	c.counts(&b.counts)
	if hasHistory {
		c.counts(&history)
	}
	lived := b.last - b.start
	if signed(c, &b.last, &lived); !s.encoding {
		b.start = b.last - lived
	}
	unsigned(c, &b.seen)
	unsigned(c, &b.shared)
	unsigned(c, &b.connection)
	c.link(i, &b.newer)
	if inConversation {
		hash(c, &b.conversation)
		c.link(i, &b.nextInBucket)
	}
	if s.encoding {
		return
	}
	s.require(inConversation == (b.conversation != 0))
	if isText {
		bs.texts[i] = text
	}
	if hasHistory {
		bs.histories[i] = history
	}
}

func (s *stateCoder) shared(_ uint32, g *sharedConversation) {
	c := &s.coder
	if c.flags(&g.used, &g.low); !g.used {
		return
	}
	c.counts(&g.total, &g.history)
	signed(c, &g.raised)
	unsigned(c, &g.primary)
	list(c, &g.observers, func(o *observer) {
		unsigned(c, &o.origin)
		c.flags(&o.aligned, &o.fromStart, &o.trusted)
		c.counts(&o.view, &o.ownCounts, &o.previousView, &o.startView)
		signed(c, &o.viewAt, &o.mergedUntil, &o.previousAt, &o.start)
		signed(c, &o.seen)
	})
}

func (s *stateCoder) connection(i uint32, n *connection) {
	c, cs, latest := &s.coder, s.connections, &n.sampled[s.latest] // the tick before is only shown
	deferred, isDeferred := cs.deferred[i]
	if c.flags(&n.used, &n.ending, &n.overflow, &n.demoted, &n.own, &latest.live, &isDeferred); !n.used {
		return
	}
	c.text(&n.values)
	c.counts(&latest.counts)
	c.since(&latest.counts, &n.counts)
	for g := range n.gauges {
		unsigned(c, &latest.gauges[g], &n.gauges[g])
	}
	signed(c, &n.traffic, &n.period)
	signed(c, &n.start)
	unsigned(c, &n.origin, &n.tick)
	unsigned(c, &n.phase)
	unsigned(c, &n.counted)
	s.nodeRef(&n.node)
	if !isDeferred {
		return
	}
	if c.counts(&deferred); !s.encoding {
		cs.deferred[i] = deferred
	}
}

func (s *stateCoder) departure(d *departure) { unsigned(&s.coder, &d.i, &d.tick) }

func (s *stateCoder) portless(_ uint32, f *portlessFlow) {
	c := &s.coder
	if c.flags(&f.used, &f.ended); !f.used {
		return
	}
	hash(c, &f.uuid)
	unsigned(c, &f.capture, &f.span)
}

func (s *stateCoder) capture(p **captureState) {
	c := &s.coder
	if !s.encoding {
		*p = &captureState{}
	}
	n := *p
	latest := &n.sampled[s.latest]
	c.text(&n.total.CaptureID)
	c.flags(&n.live[s.latest], &n.ending, &n.total.HasPackets, &latest.HasPackets)
	for _, row := range [...]*CaptureRow{&n.total, latest} {
		unsigned(c, &row.FlowCount, &row.FlowDropped, &row.KernelFlowDropped, &row.PacketsDropped, &row.PacketsReceived, &row.FlowsKnown)
	}
	if !s.encoding && n.live[s.latest] {
		latest.CaptureID = n.total.CaptureID
	}
	unsigned(c, &n.phase)
	signed(c, &n.seen)
	signed(c, &n.start)
	list(c, &n.tables, func(t *table) { signed(c, &t.seen); signed(c, &t.stats.FlowCount) })
}

func (s *stateCoder) packetsOf(p *namedPackets) {
	c := &s.coder
	c.text(&p.id)
	list(c, &p.list, func(p **nodePackets) {
		if !s.encoding {
			*p = &nodePackets{}
		}
		n := *p
		c.text(&n.tid)
		unsigned(c, &n.latest[0], &n.latest[1], &n.earlier[0], &n.earlier[1])
		signed(c, &n.changed[0], &n.changed[1], &n.changed[2])
		c.flags(&n.present, &n.old)
	})
}

// name walks over an entry of a table of names.
func (s *stateCoder) name(key *string, used, old *bool, values ...*string) {
	s.text(key)
	s.flags(used, old)
	for _, value := range values {
		s.text(value)
	}
}

func (s *stateCoder) networkInterface(n *interfaceState) {
	c, l := &s.coder, &n.labels
	for _, text := range [...]*string{&l.Name, &l.Host, &l.Type, &l.IPv4, &l.IPv6, &l.NodeTID} {
		c.text(text)
	}
	c.flags(&n.live[s.latest], &n.present, &n.old, &n.ending)
	unsigned(c, &n.phase)
	for i := range n.now {
		unsigned(c, &n.now[i], &n.sampled[s.latest][i])
	}
}
