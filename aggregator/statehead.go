// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"

	"github.com/skydive-project/skybridge/aggregator/label"
)

// head walks over what is small, and over the sizes of the sections.
func (s *stateCoder) head() {
	a, c := s.a, &s.coder
	kind, version, ranked := uint8(0), uint32(StateVersion), a.top != nil
	unsigned(c, &kind)
	unsigned(c, &version)
	s.newer = kind == 0 && version > StateVersion
	c.require(kind == 0 && version == StateVersion)
	c.key(&a.conversationKey)
	c.key(&a.tags.key)
	signed(c, &a.time, &a.wall, &a.lastTick, &a.latest.before, &a.latest.at, &a.latest.zero, &a.latest.rushed, &a.earliestZero)
	isRanked := ranked
	c.flags(&a.noGridTick, &a.ending, &a.interfaces.ending, &isRanked, &a.interfaces.whole, &a.captures.whole, &s.nodeNames.Whole, &s.addressNames.Whole)
	c.require(isRanked == ranked)

	s.layout()
	clock := a.clock
	signed(c, &clock.elapsed, &clock.most)
	signed(c, &clock.asOf)
	c.require(clock.elapsed >= 0)
	list(c, &clock.analyzers, func(f *analyzerState) {
		c.text(&f.name)
		c.flags(&f.live)
		signed(c, &f.since)
	})
	signed(c, &a.origins.nodes.expire)
	unsigned(c, &a.origins.hand, &a.origins.nextCapture)
	bs := a.baselines
	unsigned(c, &bs.live.oldest, &bs.ended.oldest, &bs.repeatable.oldest)
	unsigned(c, &bs.byConversation.level)
	unsigned(c, &bs.byConversation.split)
	unsigned(c, &a.connections.cut.number)
	signed(c, &a.known.since)
	unsigned(c, &a.known.hand)
	for i := range a.known.spans {
		signed(c, &a.known.spans[i].rotated)
		unsigned(c, &a.known.spans[i].number)
	}
	signed(c, &a.captures.refreshes, &s.hand, &s.nodeNames.Hand, &s.addressNames.Hand)
	s.ranking()
	for _, p := range s.sections {
		unsigned(c, &p.size)
		c.require(p.size < maxSection)
	}
}

// layout walks over that of the connections: a reload that changes it comes after the state.
func (s *stateCoder) layout() {
	now := s.connections.layout
	names, policy := slices.Clone(now.Names), now.Policy
	list(&s.coder, &names, func(name *string) { s.text(name) })
	if s.text(&policy); s.encoding {
		return
	}
	layout, err := label.NewLayout(names)
	if s.require(err == nil); err == nil {
		layout.Policy = policy
		s.connections.layout = layout
		s.a.relabel()
	}
}

// ranking walks over the ranking by bytes, where there is one.
func (s *stateCoder) ranking() {
	t := s.a.top
	if t == nil {
		return
	}
	signed(&s.coder, &t.began)
	signed(&s.coder, &s.othersSize)
	s.flags(&t.begun, &s.isRanked)
}
