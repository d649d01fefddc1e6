// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// initView sets the view of a new observer. If its flow began when another observer's did,
// both have seen the same: its view is what the flow carried, on top of startView. If it
// began later, the view is the highest that is certain; see align.
func (a *Aggregator) initView(g *sharedConversation, o *observer, s *observation) {
	var base counts // a lower bound of what was carried before the flow began
	whole := s.whole
	for j := range g.observers {
		p := &g.observers[j]
		if p == o {
			continue
		}
		slack := a.slack(p.origin, o.origin)
		switch later := s.start - p.start - a.ahead(o.origin, p.origin); {
		case !a.comparable(p, o, s):
		case -slack <= later && later <= slack && p.fromStart:
			o.aligned, o.fromStart = true, true
			base, whole = base.raisedTo(p.startView), true
		case s.setBack:
		case later < -slack:
			if s.whole { // the other one began later
				p.aligned = false
			}
		default:
			// Its history is history of the other as well.
			base, whole = base.raisedTo(p.startView), true
		}
	}
	o.start, o.startView = s.start, base
	if !base.isZero() {
		o.mergedUntil = s.start
	}
	o.view, o.ownCounts = base, s.delta
	o.view.add(&s.delta)
	if whole { // else its history may be from before the first known flow
		// What exceeds the total was in another VLAN of the same conversation.
		past := s.metric.minus(s.delta).atMost(g.total)
		o.view.add(&past)
	}
	if !o.aligned {
		o.aligned = a.align(g, o, s)
	}
	o.viewAt = max(s.last, o.mergedUntil)
}

// updateView updates the view with a record of a known observer, of a known flow or a new
// one.
func (a *Aggregator) updateView(g *sharedConversation, o *observer, s *observation, known bool) {
	former := o.view
	switch {
	case !known:
		a.continueView(g, o, s)
	case s.from >= o.mergedUntil:
		o.view.add(&s.delta)
	default:
		// Other observers may have reported this delta already.
	}
	if known && !o.aligned {
		s.from = min(s.from, o.viewAt)
		o.aligned = a.align(g, o, s)
	}
	o.ownCounts.add(&s.delta)
	o.view = o.view.raisedTo(o.ownCounts)
	o.keepPrevious(former, s)
}

// continueView updates the view with the first record of a further flow of an observer:
// usually the conversation resumed after a long idle time.
func (a *Aggregator) continueView(g *sharedConversation, o *observer, s *observation) {
	switch {
	case s.start > o.viewAt && !s.setBack:
		base := o.view
		for j := range g.observers {
			if p := &g.observers[j]; p != o && a.precedes(p, p.viewAt, o, s) {
				if base = base.raisedTo(p.view); base != o.view {
					o.mergedUntil = max(o.mergedUntil, a.mergedAt(p, p.viewAt, o, s))
				}
			}
		}
		o.start, o.startView, o.fromStart = s.start, o.view, o.aligned && s.whole
		if s.whole {
			o.startView = base
		}
		o.view = base
		o.view.add(&s.delta)
	case s.from > o.viewAt, s.from >= o.mergedUntil && o.fromStart && s.whole && s.start >= o.start-processingLag.Milliseconds():
		// It continues, or there are two flows at a time, as on a link with two VLANs.
		o.view.add(&s.delta)
	default:
		// Its view may include this delta already.
	}
}

// keepPrevious keeps the view before a record of a later time.
func (o *observer) keepPrevious(former counts, s *observation) {
	if s.last > o.viewAt {
		o.previousView, o.previousAt = former, o.viewAt
		o.viewAt = s.last
	}
}

// align raises the view of an observer that began later to that of others at a time that its
// record covers, and reports whether there was one.
func (a *Aggregator) align(g *sharedConversation, o *observer, s *observation) (known bool) {
	for j := range g.observers {
		p := &g.observers[j]
		if p == o {
			continue
		}
		points := [...]struct {
			at   int64
			view counts
		}{{p.viewAt, p.view}, {p.previousAt, p.previousView}}
		for _, point := range points {
			switch {
			case a.precedes(p, point.at, o, s):
				sum := point.view
				sum.add(&s.delta)
				o.view, known = o.view.raisedTo(sum), true
				o.mergedUntil = max(o.mergedUntil, a.mergedAt(p, point.at, o, s))
			case a.covered(p, point.at, o, s):
				// The view is of a later time than the flow's own latest packet.
				o.view, known = o.view.raisedTo(point.view), true
				s.last = s.to
				o.mergedUntil = max(o.mergedUntil, s.to)
			}
		}
	}
	return known
}

// precedes reports whether what observer p had seen at that time was over before the delta of
// o's record began. Times say so only within a node: with clocks that differ everything would
// count twice.
func (a *Aggregator) precedes(p *observer, at int64, o *observer, s *observation) bool {
	if at == 0 || s.from == 0 || s.setBack {
		return false
	}
	if a.sameNode(p.origin, o.origin) {
		return at+processingLag.Milliseconds() <= s.from
	}
	// Nor do the times of an old record: a flow's first record may be its end record, which
	// Skydive sends long after the traffic.
	return s.trusted && s.toFeedTime-p.seen >= maxDelivery+time.Duration(s.to-s.from)*time.Millisecond
}

// mergedAt is the time up to which o's view includes what p had seen at a time that precedes
// the record.
func (a *Aggregator) mergedAt(p *observer, at int64, o *observer, s *observation) int64 {
	if a.sameNode(p.origin, o.origin) {
		return at
	}
	return s.from
}

// covered reports whether o has seen all that p had seen at that time.
func (a *Aggregator) covered(p *observer, at int64, o *observer, s *observation) bool {
	switch {
	case s.toFeedTime-p.seen >= maxDelivery:
		return true
	case at == 0, s.setBack:
		return false
	case !a.comparable(p, o, s):
		return false
	default:
		apart := a.ahead(p.origin, o.origin)
		return at+a.slack(p.origin, o.origin)+max(apart, -apart) <= s.to
	}
}

// comparable reports whether the clocks of two observers agree, or nearly so.
func (a *Aggregator) comparable(p, o *observer, s *observation) bool {
	return a.sameNode(p.origin, o.origin) || (p.trusted && s.trusted)
}

func (a *Aggregator) sameNode(x, y uint32) bool {
	return a.origins.peek(x).node == a.origins.peek(y).node
}

// slack is by how many ms the times of one packet may differ between two observers whose
// clocks agree.
func (a *Aggregator) slack(x, y uint32) int64 {
	if a.sameNode(x, y) {
		return processingLag.Milliseconds()
	}
	return (processingLag + clockSkew).Milliseconds()
}

// ahead is by how many ms the clock of x is ahead of that of y, as their updates show.
func (a *Aggregator) ahead(x, y uint32) int64 {
	return a.origins.peek(x).node.clock.lead - a.origins.peek(y).node.clock.lead
}
