// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"time"
)

// Observers says what becomes of a connection that several capture points see.
// Captures of one node that see the same connection always count it once.
type Observers string

// What becomes of such a connection.
const (
	// ObserversAll counts it once for each node that sees it.
	ObserversAll Observers = "all"
	// ObserversOne counts it once, unless a label is chosen that tells one
	// observer from another.
	ObserversOne Observers = "one"
)

// scope says by what flows are one conversation.
func (c *Config) scope() int {
	if c.Observers != ObserversOne || anyOf(ofObserver, c.Labels) {
		return byNode
	}
	return byTuple
}

const (
	// processingLag is how far what a capture has counted may lie behind the time
	// that its record says: packets wait in buffers.
	processingLag = time.Second
	// clockSkew is how far the clocks of two nodes may be apart, as NTP keeps them.
	clockSkew = time.Second
	// clockTrust is how far an agent's clock may be from our own to be believed, as its
	// updates show it, which analyzers send every 5 s.
	clockTrust = 10 * time.Second
	// settled is after how long what one observer reported is part of whatever
	// another one reports: no record is on its way for that long.
	settled = time.Minute
	// maxObservers bounds the observers of one conversation.
	maxObservers = 64
)

// sighting is a record of an observer, seen as the group's first one would.
type sighting struct {
	delta, metric counts
	start         int64 // of the flow; all in ms on the agent's clock
	from          int64 // when delta began, or earlier; 0: not known
	to            int64 // until when metric has everything
	last          int64 // of the latest packet that the view then has
	whole         bool  // delta is all of metric
	setBack       bool  // the agent's clock was since the flow began, or may have been
	trusted       bool  // the agent's clock is about right
	// reached is to in feed time, or earlier: a record that is late, or an end record,
	// which has the times of the window before, knows nothing of what came since.
	reached time.Duration
}

// shared says whether a flow's conversation has several observers, or is not known
// yet.
func (b *baseline) shared() bool { return b.group != 0 || b.conversation == 0 }

// observe returns what of a record counts that other observers of the same
// conversation have not reported, and the record as the first of them, teller, would
// tell it. own says that the record is of that one, or might be: it is gone.
func (a *Aggregator) observe(p *progress, f *Flow, src *source, feedNow time.Duration) (as *Flow, teller *source, delta counts, own bool) {
	b := p.record
	if b.conversation == 0 && !a.converse(p.baseline, f, src, feedNow) {
		a.metrics.duplicateBytes.Add(float64(p.delta.totalBytes()))
		return f, src, counts{}, false
	}
	if b.group == 0 {
		return f, src, p.delta, true
	}
	g := a.groups.at(b.group)
	s := a.sight(p, f, b, g, src, feedNow)
	o := g.observer(src.id)
	if o != nil && o.members == 0 {
		src.baselines-- // it was gone
	}
	if o == nil {
		if o, own = a.join(b.group, g, src.id); !own {
			a.metrics.observersRefused.Inc()
			a.metrics.duplicateBytes.Add(float64(p.delta.totalBytes()))
			return f, src, counts{}, false
		}
		a.enter(b.group, g, o, &s)
	} else {
		a.see(g, o, &s, b.from.is(isObserved))
	}
	if !b.from.is(isObserved) {
		b.from.set(isObserved, true)
		o.members++
		a.journal.conversation(p.baseline, b)
	}
	if raised := o.view.raisedTo(g.total); raised != o.view && s.reached-g.raised >= settled {
		o.view, o.at, o.took = raised, max(o.at, s.to), max(o.took, s.to)
	}
	most := counts{bytes: [2]uint64{maxCarried, maxCarried}, packets: [2]uint64{maxCarried, maxCarried}}
	o.view, o.sum = o.view.atMost(most), o.sum.atMost(most)
	o.seen, o.trusted = feedNow, s.trusted

	if delta = g.raise(o, s.delta); !delta.isZero() {
		g.raised = feedNow
	}
	a.metrics.duplicateBytes.Add(float64(s.delta.totalBytes() - delta.totalBytes()))
	a.journal.observer(b.group, o)
	a.journal.group(b.group, g)
	own = src.id == g.first || feedNow-g.observer(g.first).seen >= settled
	return a.tell(f, b.from.is(isLow) != g.low, src, g), a.sources.list[g.first], delta, own
}

// sight takes from a record what matters to its group.
func (a *Aggregator) sight(p *progress, f *Flow, b *baseline, g *group, src *source, feedNow time.Duration) sighting {
	s := sighting{
		delta: p.delta, metric: b.counts, start: f.Start, from: p.from, last: f.Metric.Last,
		whole: p.delta == b.counts,
	}
	s.to = f.updated()
	if s.last <= 0 {
		s.last = s.to
	}
	c := &src.node.clock
	s.setBack = s.start > s.last || c.former(s.start, src.node.period(feedNow)) || c.doubt != nil
	if s.from > s.to || s.from == s.start && s.setBack {
		s.from = 0
	}
	s.reached = c.feedTime(s.to, feedNow)
	if b.from.is(isLow) != g.low {
		s.delta, s.metric = s.delta.swapped(), s.metric.swapped()
	}
	s.trusted = a.trusts(src.node, s.to, feedNow)
	return s
}

// trusts says whether the clock of a node's agent is about right, as that of an update
// which has just arrived and as a late one could not show it.
func (a *Aggregator) trusts(n *node, update int64, feedNow time.Duration) bool {
	near := func(at int64) bool { return time.UnixMilli(at).Sub(a.now()).Abs() <= clockTrust }
	return near(update) && near(n.clock.now(feedNow))
}

// tell returns a record as the first observer would tell it: labels must not
// depend on who was the quickest.
func (a *Aggregator) tell(f *Flow, swapped bool, src *source, g *group) *Flow {
	if src.id == g.first && !swapped {
		return f
	}
	t := &a.told
	node, captureID := t.NodeTID[:0], t.CaptureID[:0]
	key := &a.sources.list[g.first].key
	node, captureID = append(node, key.nodeTID...), append(captureID, key.captureID...)
	*t = *f
	t.NodeTID, t.CaptureID = node, captureID
	if swapped {
		t.NetworkA, t.NetworkB = f.NetworkB, f.NetworkA
		t.TransportA, t.TransportB = f.TransportB, f.TransportA
		t.Opened, t.Metric = f.Opened.swapped(), f.Metric.swapped()
	}
	return t
}
