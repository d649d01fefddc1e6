// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// Observers says how often a connection that several nodes see counts. Captures of one node
// that see the same connection always count it once.
type Observers string

const (
	// ObserversAll counts it once for each node that sees it.
	ObserversAll Observers = "all"
	// ObserversOne counts it once, unless a chosen label differs between observers.
	ObserversOne Observers = "one"
)

// scope is that of new conversations.
func (c *Config) scope() int {
	if c.Observers != ObserversOne || slices.ContainsFunc(label.OfObservers(), func(name string) bool { return slices.Contains(c.Labels, name) }) {
		return byNode
	}
	return byTuple
}

const (
	// processingLag is how far a capture's counts may be behind the time in its record:
	// packets wait in buffers.
	processingLag = time.Second
	// clockSkew is how far the clocks of two nodes may be apart under NTP.
	clockSkew = time.Second
	// clockTrust is how far an agent's clock may be from ours to be trusted, as seen in its
	// updates, which analyzers send every 5 s.
	clockTrust = 10 * time.Second
	// maxDelivery is an upper bound of the delivery of a record: later than that, all that
	// one observer had reported is included in what another one reports.
	maxDelivery = time.Minute
	// maxObservers bounds the observers of one conversation.
	maxObservers = 64
)

// observation is what one record says about its flow, in the orientation of the primary
// observer.
type observation struct {
	delta, metric counts
	start         int64 // of the flow; all in ms on the agent's clock
	from          int64 // a lower bound of when delta began; 0: not known
	to            int64 // up to when metric is complete
	last          int64 // of the latest packet in the view
	whole         bool  // delta is all of metric
	setBack       bool  // the agent's clock was, or may have been, since the flow began
	trusted       bool  // the agent's clock is about right
	// toFeedTime is a lower bound of to in feed time: a late record, or an end record, which
	// has the times of the window before, has nothing of what came since.
	toFeedTime time.Duration
}

// maybeShared reports whether a flow's conversation has several observers, or is not known
// yet.
func (b *baseline) maybeShared() bool { return b.shared != 0 || b.conversation == 0 }

// observe returns the part of a record that other observers of its conversation have not
// reported, and the record in the form of the primary observer. own: the record is of the
// primary observer, or the primary observer no longer reports.
func (a *Aggregator) observe(p *progress, f *input.Flow, from *origin, feedNow time.Duration) (as *input.Flow, primary *origin, delta counts, own bool) {
	b := p.record
	if b.conversation == 0 && !a.assignConversation(p.baseline, f, from, feedNow) {
		a.metrics.duplicateBytes.Add(float64(p.delta.totalBytes()))
		return f, from, counts{}, false
	}
	if b.shared == 0 {
		return f, from, p.delta, true
	}
	g := a.shared.at(b.shared)
	s := a.observationOf(p, f, b, g, from, feedNow)
	o := g.observer(from.id)
	if o != nil && o.members == 0 {
		from.baselines-- // see leaveObserver
	}
	if o == nil {
		if o, own = a.addObserver(g, from.id); !own {
			a.metrics.observersRefused.Inc()
			a.metrics.duplicateBytes.Add(float64(p.delta.totalBytes()))
			return f, from, counts{}, false
		}
		a.initView(g, o, &s)
	} else {
		a.updateView(g, o, &s, b.flags.is(isObserved))
	}
	if !b.flags.is(isObserved) {
		b.flags.set(isObserved, true)
		o.members++
	}
	if raised := o.view.raisedTo(g.total); raised != o.view && s.toFeedTime-g.raised >= maxDelivery {
		o.view, o.viewAt, o.mergedUntil = raised, max(o.viewAt, s.to), max(o.mergedUntil, s.to)
	}
	most := counts{bytes: [2]uint64{maxDeferred, maxDeferred}, packets: [2]uint64{maxDeferred, maxDeferred}}
	o.view, o.ownCounts = o.view.atMost(most), o.ownCounts.atMost(most)
	o.seen, o.trusted = feedNow, s.trusted

	if delta = g.raise(o, s.delta); !delta.isZero() {
		g.raised = feedNow
	}
	a.metrics.duplicateBytes.Add(float64(s.delta.totalBytes() - delta.totalBytes()))
	own = from.id == g.primary || feedNow-g.observer(g.primary).seen >= maxDelivery
	return a.normalize(f, b.flags.is(isLow) != g.low, from, g), a.origins.at(g.primary), delta, own
}

// observationOf returns the observation of a record.
func (a *Aggregator) observationOf(p *progress, f *input.Flow, b *baseline, g *sharedConversation, from *origin, feedNow time.Duration) observation {
	s := observation{
		delta: p.delta, metric: b.counts, start: f.Start, from: p.from, last: f.Metric.Last,
		whole: p.delta == b.counts,
	}
	s.to = f.Updated()
	if s.last <= 0 {
		s.last = s.to
	}
	c := &from.node.clock
	s.setBack = s.start > s.last || c.isFormer(s.start, from.node.period(feedNow)) || c.pending != nil
	if s.from > s.to || s.from == s.start && s.setBack {
		s.from = 0
	}
	s.toFeedTime = c.feedTime(s.to, feedNow)
	if b.flags.is(isLow) != g.low {
		s.delta, s.metric = s.delta.swapped(), s.metric.swapped()
	}
	s.trusted = a.trusts(from.node, s.to, feedNow)
	return s
}

// trusts reports whether the clock of a node's agent is about right, by the time of an update
// that just arrived and by what the clock shows now.
func (a *Aggregator) trusts(n *node, update int64, feedNow time.Duration) bool {
	near := func(at int64) bool {
		return (time.Duration(at-a.time-a.wall) * time.Millisecond).Abs() <= clockTrust
	}
	return near(update) && near(n.clock.now(feedNow))
}

// normalize returns a record in the form of the primary observer, for labels must not depend
// on which observer reports first.
func (a *Aggregator) normalize(f *input.Flow, swapped bool, from *origin, g *sharedConversation) *input.Flow {
	if from.id == g.primary && !swapped {
		return f
	}
	t := &a.normalized
	node, captureID := t.NodeTID[:0], t.CaptureID[:0]
	key := &a.origins.peek(g.primary).key
	node, captureID = append(node, key.nodeTID...), append(captureID, key.captureID...)
	*t = *f
	t.NodeTID, t.CaptureID = node, captureID
	if swapped {
		t.NetworkA, t.NetworkB = f.NetworkB, f.NetworkA
		t.TransportA, t.TransportB = f.TransportB, f.TransportA
		t.Opened, t.Metric = f.Opened.Swapped(), f.Metric.Swapped()
	}
	return t
}
