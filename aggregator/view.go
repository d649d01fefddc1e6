// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// enter gives an observer that is new its view.
//
// If its flow began when another observer's did, both have seen the same: its view
// is what the flow carried, on top of what had been before. If it came later, the
// view is the highest that is certain; see align.
func (a *Aggregator) enter(ref groupRef, g *group, o *observer, s *sighting) {
	var base counts // carried before the flow began, at least
	whole := s.whole
	for j := range g.observers {
		p := &g.observers[j]
		if p == o {
			continue
		}
		slack := a.slack(p.source, o.source)
		switch later := s.start - p.start - a.ahead(o.source, p.source); {
		case !a.comparable(p, o, s):
		case -slack <= later && later <= slack && p.fromStart:
			o.aligned, o.fromStart = true, true
			base, whole = base.raisedTo(p.startView), true
		case s.setBack:
		case later < -slack:
			if s.whole { // it is the other that came later
				p.aligned = false
				a.journal.observer(ref, p)
			}
		default:
			// What is not new of it is as little new of the other.
			base, whole = base.raisedTo(p.startView), true
		}
	}
	o.start, o.startView = s.start, base
	if !base.isZero() {
		o.took = s.start
	}
	o.view, o.sum = base, s.delta
	o.view.add(&s.delta)
	if whole { // else its past may be older than all that is known
		// More than is known it had in another VLAN of the same conversation.
		past := s.metric.minus(s.delta).atMost(g.total)
		o.view.add(&past)
	}
	if !o.aligned {
		o.aligned = a.align(g, o, s)
	}
	o.at = max(s.last, o.took)
}

// see takes a record of an observer that there is. Its flow may be known or not.
func (a *Aggregator) see(g *group, o *observer, s *sighting, known bool) {
	former := o.view
	switch {
	case !known:
		a.goOn(g, o, s)
	case s.from >= o.took:
		o.view.add(&s.delta)
	default:
		// It may be among what others told.
	}
	if known && !o.aligned {
		s.from = min(s.from, o.at)
		o.aligned = a.align(g, o, s)
	}
	o.sum.add(&s.delta)
	o.view = o.view.raisedTo(o.sum)
	o.keep(former, s)
}

// goOn takes the first record of a flow of an observer that has others: the
// conversation went on after it had been idle for long, as a rule.
func (a *Aggregator) goOn(g *group, o *observer, s *sighting) {
	switch {
	case s.start > o.at && !s.setBack:
		base := o.view
		for j := range g.observers {
			if p := &g.observers[j]; p != o && a.precedes(p, p.at, o, s) {
				if base = base.raisedTo(p.view); base != o.view {
					o.took = max(o.took, a.takenAt(p, p.at, o, s))
				}
			}
		}
		o.start, o.startView, o.fromStart = s.start, o.view, o.aligned && s.whole
		if s.whole {
			o.startView = base // and not only when delta began
		}
		o.view = base
		o.view.add(&s.delta)
	case s.from > o.at, s.from >= o.took && o.fromStart && s.whole && s.start >= o.start-processingLag.Milliseconds():
		// It goes on, or there are two at a time, as on a link with two VLANs.
		o.view.add(&s.delta)
	default:
		// What it carried before this observer came may be in its view.
	}
}

// keep remembers the view before a record, where the record is of a later time.
func (o *observer) keep(former counts, s *sighting) {
	if s.last > o.at {
		o.before, o.beforeAt = former, o.at
		o.at = s.last
	}
}

// align raises the view of an observer that came later to what others knew at
// a time that its record covers, and says whether there was one.
func (a *Aggregator) align(g *group, o *observer, s *sighting) (known bool) {
	for j := range g.observers {
		p := &g.observers[j]
		if p == o {
			continue
		}
		points := [...]struct {
			at   int64
			view counts
		}{{p.at, p.view}, {p.beforeAt, p.before}}
		for _, point := range points {
			switch {
			case a.precedes(p, point.at, o, s):
				sum := point.view
				sum.add(&s.delta)
				o.view, known = o.view.raisedTo(sum), true
				o.took = max(o.took, a.takenAt(p, point.at, o, s))
			case a.covered(p, point.at, o, s):
				// The view is then of a later time than the flow's own latest packet.
				o.view, known = o.view.raisedTo(point.view), true
				s.last = s.to
				o.took = max(o.took, s.to)
			}
		}
	}
	return known
}

// precedes says whether what observer p had seen at that time was over when
// began what the record of o holds as new. Only within a node can times tell:
// with clocks that differ everything would count twice.
func (a *Aggregator) precedes(p *observer, at int64, o *observer, s *sighting) bool {
	if at == 0 || s.from == 0 || s.setBack {
		return false
	}
	if a.sameNode(p.source, o.source) {
		return at+processingLag.Milliseconds() <= s.from
	}
	// Nor can they where the record is not of now: the first that comes of a flow may be
	// the one of its end, which Skydive sends long after.
	return s.trusted && s.reached-p.seen >= settled+time.Duration(s.to-s.from)*time.Millisecond
}

// takenAt is until when o knows what p had seen at a time that precedes the record.
func (a *Aggregator) takenAt(p *observer, at int64, o *observer, s *sighting) int64 {
	if a.sameNode(p.source, o.source) {
		return at
	}
	return s.from
}

// covered says whether o has seen all that p had seen at that time.
func (a *Aggregator) covered(p *observer, at int64, o *observer, s *sighting) bool {
	switch {
	case s.reached-p.seen >= settled:
		return true
	case at == 0, s.setBack:
		return false
	case !a.comparable(p, o, s):
		return false
	default:
		apart := a.ahead(p.source, o.source)
		return at+a.slack(p.source, o.source)+max(apart, -apart) <= s.to
	}
}

// comparable says whether the times that two observers tell are of clocks that
// agree, or nearly so.
func (a *Aggregator) comparable(p, o *observer, s *sighting) bool {
	return a.sameNode(p.source, o.source) || (p.trusted && s.trusted)
}

func (a *Aggregator) sameNode(x, y uint32) bool {
	return a.sources.list[x].node == a.sources.list[y].node
}

// slack is by how many ms two observers may tell the time of one packet
// differently, where their clocks agree.
func (a *Aggregator) slack(x, y uint32) int64 {
	if a.sameNode(x, y) {
		return processingLag.Milliseconds()
	}
	return (processingLag + clockSkew).Milliseconds()
}

// ahead is by how many ms the clock of observer x is ahead of that of y, as far as their
// updates show.
func (a *Aggregator) ahead(x, y uint32) int64 {
	return a.sources.list[x].node.clock.lead - a.sources.list[y].node.clock.lead
}
