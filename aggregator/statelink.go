// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/aggregator/sketch"
)

// link calculates what the state that was decoded does not have: indexes, lists, and numbers
// of what refers to what. It returns what of it contradicts itself, or "".
func (s *stateCoder) link() (contradiction string) {
	for _, part := range [...]struct {
		name string
		link func() (ok bool)
	}{
		{"records", s.linkSlabs},
		{"nodes and captures", s.linkOrigins},
		{"held records", s.linkHeld},
		{"shared conversations", s.linkShared},
		{"baselines", s.linkBaselines},
		{"baselines by time", s.linkSeen},
		{"baselines by conversation", s.linkBuckets},
		{"flows without ports", s.linkPortless},
		{"connections", s.linkConnections},
		{"captures", s.linkCaptures},
		{"interfaces", s.linkInterfaces},
		{"the ranking", s.linkTop},
		{"tags", s.linkTags},
		{"listeners", func() bool { return s.a.listeners.Restore(s.listeners, s.hand) }},
		{"names", func() bool { return s.a.names.Restore(s.nodeNames, s.addressNames) }},
	} {
		if !part.link() {
			return part.name
		}
	}
	return ""
}

func (s *stateCoder) linkSlabs() (ok bool) {
	a := s.a
	for _, finish := range s.finish {
		finish()
	}
	return a.origins.nodes.records.isConsistent(func(p **node) bool { return *p != nil }) &&
		a.origins.records.isConsistent(func(p **origin) bool { return *p != nil }) &&
		a.baselines.records.isConsistent(func(b *baseline) bool { return b.flags.is(isUsed) }) &&
		a.shared.records.isConsistent(func(g *sharedConversation) bool { return g.used }) &&
		a.connections.records.isConsistent(func(c *connection) bool { return c.used }) &&
		a.known.records.isConsistent(func(f *portlessFlow) bool { return f.used })
}

func (s *stateCoder) linkOrigins() (ok bool) {
	ss := s.a.origins
	for i := range ss.nodes.records.size {
		if n := *ss.nodes.records.at(i); n != nil {
			ss.nodes.byTID[n.tid] = n
			if n.minute < 0 {
				return false
			}
		}
	}
	ids := map[uint32]*capture{}
	for i := range ss.records.size {
		o := *ss.records.at(i)
		if o == nil {
			continue
		}
		c := ss.captures[o.key.captureID]
		if c == nil {
			c = o.capture
			ss.captures[o.key.captureID] = c
			if ids[c.id] != nil || c.id >= ss.nextCapture {
				return false
			}
			ids[c.id] = c
		}
		if o.node == nil || c.id != o.capture.id {
			return false
		}
		o.key.nodeTID, o.capture = o.node.tid, c
		if ss.byKey[o.key] != nil {
			return false
		}
		ss.byKey[o.key] = o
		o.node.origins++
		c.origins++
	}
	return len(ss.nodes.byTID) == ss.nodes.records.used
}

// origin returns the origin of that id, or nil.
func (s *stateCoder) originOf(id uint32) *origin {
	if all := &s.a.origins.records; id < all.size {
		return *all.at(id)
	}
	return nil
}

// linkHeld: records are held by origins that a pending step of their node's clock knows.
func (s *stateCoder) linkHeld() (ok bool) {
	waiting := 0
	for _, h := range s.held {
		o := s.originOf(h.origin)
		if o == nil {
			return false
		}
		if len(o.held) == 0 {
			waiting++
		}
		o.addHeld(*h.flow)
	}
	s.a.held = len(s.held)
	known := bitset{}
	for i := range s.a.origins.nodes.records.size {
		n := *s.a.origins.nodes.records.at(i)
		if n == nil || n.clock.pending == nil {
			continue
		}
		for _, id := range n.clock.pending.origins {
			if o := s.originOf(id); o == nil || o.node != n || len(o.held) == 0 || !known.add(id) {
				return false
			}
			waiting--
		}
	}
	return waiting == 0
}

// linkShared leaves it to the baselines to count members.
func (s *stateCoder) linkShared() (ok bool) {
	for i := range s.a.shared.records.size {
		g := s.a.shared.records.at(i)
		if g.used && g.observer(g.primary) == nil {
			return false
		}
		for j := range g.observers {
			if o := &g.observers[j]; s.originOf(o.origin) == nil || g.observer(o.origin) != o {
				return false
			}
		}
	}
	return true
}

func (s *stateCoder) linkPortless() (ok bool) {
	k, captures := &s.a.known, map[uint32]*capture{}
	for i := range s.a.origins.records.size {
		if o := *s.a.origins.records.at(i); o != nil {
			captures[o.capture.id] = o.capture
		}
	}
	for i := range k.records.size {
		f := k.records.at(i)
		if !f.used {
			continue
		}
		k.byKey.add(k.byKey.hashNumber(f.uuid, f.capture), i)
		if c := captures[f.capture]; c != nil {
			k.count(f, c, 1)
		}
	}
	return true
}

func (s *stateCoder) linkConnections() (ok bool) {
	cs, series := s.connections, map[*node]int{}
	cs.cut = cut{number: cs.cut.number, next: cs.records.size, size: cs.records.size, early: map[uint32]Point{}}
	values := len(cs.layout.Names)
	if cs.layout.Direction >= 0 {
		values--
	}
	for i := range cs.records.size {
		c := cs.records.at(i)
		if !c.used {
			continue
		}
		hash := cs.byKey.hashText(c.values)
		if c.phase > ended || c.overflow != (c.node == nil) || strings.Count(c.values, label.SeparatorText) != values ||
			cs.byKey.find(hash, func(j uint32) bool { return cs.records.at(j).values == c.values }) != none {
			return false
		}
		cs.byKey.add(hash, i)
		cs.series += int(c.counted)
		if c.own {
			cs.own++
		}
		if c.node != nil {
			series[c.node] += int(c.counted)
		}
	}
	for i := range s.a.origins.nodes.records.size {
		n := *s.a.origins.nodes.records.at(i)
		if n == nil {
			continue
		}
		if n.addSeries(series[n]); n.origins == 0 && n.series == 0 {
			return false
		}
	}
	return !slices.ContainsFunc(slices.Concat(cs.leaving, cs.ended), func(d departure) bool { return d.i >= cs.records.size })
}

func (s *stateCoder) linkCaptures() (ok bool) {
	cs := s.a.captures
	for _, c := range cs.list {
		cs.byID[c.total.CaptureID] = c
		cs.tables += len(c.tables)
		if c.phase > ended {
			return false
		}
	}
	nodes := 0
	cs.packets = map[string]*packetCounts{}
	for i := range s.packets {
		p := &s.packets[i].packetCounts
		p.byNode = map[string]*nodePackets{}
		for _, n := range p.list {
			if p.byNode[n.tid] = n; n.present {
				p.present++
			}
		}
		cs.packets[s.packets[i].id] = p
		cs.packetNodes += len(p.list)
		if nodes += len(p.byNode); p.present == 0 {
			return false
		}
	}
	return nodes == cs.packetNodes && len(cs.byID) == len(cs.list) && len(cs.packets) == len(s.packets)
}

func (s *stateCoder) linkInterfaces() (ok bool) {
	is := &s.a.interfaces
	for i := range s.interfaces {
		n := &s.interfaces[i]
		is.byLabels[n.labels], is.list = n, append(is.list, n)
	}
	return len(is.byLabels) == len(is.list)
}

func (s *stateCoder) linkTop() (ok bool) {
	t := s.a.top
	if t == nil {
		return len(s.others)+len(s.promised)+len(s.result.promised)+len(s.result.losers) == 0
	}
	if !s.isRanked && len(s.result.promised)+len(s.result.losers) > 0 {
		return false
	}
	if t.promised = s.promised; s.isRanked {
		t.result = &s.result
	}
	t.others, ok = sketch.Restore(s.othersSize, s.others)
	return ok && slices.IsSorted(s.promised) && slices.IsSorted(s.result.promised) && !slices.ContainsFunc(s.result.losers, func(l candidate) bool { return l.i >= s.connections.records.size })
}

func (s *stateCoder) linkTags() (ok bool) {
	ts := &s.a.tags
	list := ts.list
	for _, t := range list {
		ts.learn(ts.key, t)
	}
	return slices.Equal(ts.list, list)
}
