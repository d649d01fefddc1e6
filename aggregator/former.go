// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/aggregator/former"
)

// Adopt gives a new aggregator what [former.Read] found, and takes ownership of it; call it
// whether or not the counters continue. It is an error if the aggregator has counted.
func (a *Aggregator) Adopt(s *former.State) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if int(a.origins.records.size)+len(a.captures.list) > 0 {
		return errors.New("aggregator: a former state is adopted before anything is counted")
	}
	a.noGridTick = false
	if s.ConversationKey != (conversationKey{}) {
		a.conversationKey = s.ConversationKey
	}
	if s.Layout != nil {
		a.connections = newConnections(s.Layout)
	}
	a.listeners.Restore(s.Listeners, s.ListenerHand)
	a.adoptOrigins(s)
	a.adoptBaselines(s)
	a.adoptShared(s)
	a.adoptConnections(s)
	a.adoptCaptures(s)
	a.relabel()
	a.configureTop(a.cfg)
	a.clock.elapsed = s.FeedTime
	a.latest = tickTimes{before: s.Latest.Before, at: s.Latest.At, zero: s.Latest.Zero}
	a.lastTick, a.earliestZero = max(a.lastTick, s.LastTick), s.EarliestZero
	return nil
}

func (a *Aggregator) adoptOrigins(s *former.State) {
	ss := a.origins
	for n, f := range s.Origins {
		id := uint32(n)
		if ss.records.reach(id); f == nil {
			continue
		}
		from := &origin{
			id: id, key: originKey{f.NodeTID, f.CaptureID},
			epoch: f.Epoch, alignedEpoch: f.AlignedEpoch, began: f.Began, seen: s.FeedTime,
			evicted: highWaterMark{f.Evicted[0], f.Evicted[1]}, evictedByBound: highWaterMark{f.EvictedByBound[0], f.EvictedByBound[1]},
		}
		*ss.records.at(id) = from
		ss.link(from)
		n := from.node
		n.knownPeriod, n.minute = max(n.knownPeriod, f.Period), int64(s.FeedTime/time.Minute)
		if f.Clock != nil {
			n.clock.adopt(f.Clock, s.FeedTime)
			n.sawExpire(f.Expire)
		}
	}
	for id, f := range s.Origins {
		if f == nil || len(f.Held) == 0 {
			continue
		}
		from := ss.at(uint32(id))
		c := &from.node.clock
		if c.pending == nil {
			c.pending = &pendingStep{firstSeen: s.FeedTime, lastSeen: s.FeedTime, lowest: c.latest, highest: c.latest}
		}
		c.pending.origins = append(c.pending.origins, from.id)
		a.held += len(f.Held)
		for i := range f.Held {
			from.addHeld(f.Held[i])
		}
	}
}

// adopt takes the clock that another origin of the node has where that is later. The wait for
// what decides a pending step starts again: it may have come while there was no process.
func (c *agentClock) adopt(f *former.Clock, feedNow time.Duration) {
	later := f.Began > c.began || f.Began == c.began && f.Latest >= c.latest
	lead := f.Lead
	if f.Began == c.began {
		lead = max(f.Lead, c.lead)
		c.lead = lead
	}
	if !later {
		return
	}
	*c = agentClock{latest: f.Latest, lead: lead, began: f.Began, floor: f.Floor, ambiguousUntil: f.AmbiguousUntil}
	if f.Pending {
		c.pending = &pendingStep{firstSeen: feedNow, lastSeen: feedNow, lowest: f.Lowest, highest: f.Highest}
	}
}

func adoptCounts(c former.Counts) counts { return counts{bytes: c.Bytes, packets: c.Packets} }

func (a *Aggregator) adoptBaselines(s *former.State) {
	bs := a.baselines
	if s.Texts != nil {
		bs.texts = s.Texts
	}
	var order []uint32
	for n := range s.Baselines {
		i, f := uint32(n), &s.Baselines[n]
		bs.records.reach(i)
		if !f.Used {
			continue
		}
		order = append(order, i)
		b := bs.records.at(i)
		*b = baseline{
			counts: adoptCounts(f.Counts), uuid: f.UUID, start: f.Start, last: f.Last, seen: momentOf(f.Seen),
			flags: isUsed | baselineFlags(f.Origin), shared: sharedRef(f.Shared), prevInBucket: none, nextInBucket: none,
		}
		b.flags.set(isEnded, f.Ended)
		b.flags.set(isLow, f.Low)
		b.flags.set(isObserved, f.Observed)
		b.flags.set(isOuter, f.Outer)
		b.flags.set(isMixed, f.Mixed)
		b.flags.set(isLeftOut, f.LeftOut)
		if f.Conversation != 0 {
			bs.addToConversation(i, conversationID(f.Conversation))
		}
		if history, ok := s.Histories[i]; ok {
			bs.histories[i] = adoptCounts(history)
		}
	}
	slices.SortFunc(order, func(x, y uint32) int {
		return cmp.Compare(bs.records.at(x).seen, bs.records.at(y).seen)
	})
	for _, i := range order {
		b := bs.records.at(i)
		from := a.origins.at(b.flags.originID())
		bs.link(i, from)
		b.flags.set(isRepeatable, b.flags.is(isEnded) && a.repeatable(from))
		bs.append(bs.listOf(b), i, b)
	}
	bs.records.reclaim(func(b *baseline) bool { return b.flags.is(isUsed) })
}

func (a *Aggregator) adoptShared(s *former.State) {
	gs := &a.shared.records
	for n := range s.Conversations {
		gs.reach(uint32(n))
		f, g := &s.Conversations[n], gs.at(uint32(n))
		if !f.Used {
			continue
		}
		g.used, g.low, g.primary, g.raised = true, f.Low, f.Primary, f.Raised
		g.total, g.history = adoptCounts(f.Total), adoptCounts(f.History)
		for i := range f.Observers {
			o := &f.Observers[i]
			g.observers = append(g.observers, observer{
				view: adoptCounts(o.View), previousView: adoptCounts(o.PreviousView),
				startView: adoptCounts(o.StartView), ownCounts: adoptCounts(o.OwnCounts),
				viewAt: o.ViewAt, previousAt: o.PreviousAt, start: o.Start, mergedUntil: o.MergedUntil,
				seen: o.Seen, origin: o.Origin, aligned: o.Aligned, fromStart: o.FromStart, trusted: o.Trusted,
			})
		}
	}
	for i := range a.baselines.records.size {
		b := a.baselines.records.at(i)
		if b.shared == 0 {
			continue
		}
		g := a.shared.at(b.shared)
		if g.members++; b.flags.is(isObserved) {
			g.observer(b.flags.originID()).members++
		}
	}
	for i := range gs.size {
		g := gs.at(i)
		for j := range g.observers {
			if o := &g.observers[j]; o.members == 0 { // see leaveObserver
				a.origins.at(o.origin).baselines++
			}
		}
	}
	gs.reclaim(func(g *sharedConversation) bool { return g.used })
}

func (a *Aggregator) adoptConnections(s *former.State) {
	cs := a.connections
	for n := range s.Connections {
		i, f := uint32(n), &s.Connections[n]
		cs.records.reach(i)
		c := cs.records.at(i)
		if !f.Used {
			continue
		}
		*c = connection{
			counts: adoptCounts(f.Counts), values: f.Values, traffic: f.Traffic, start: f.Start, period: defaultPeriod,
			origin: f.Origin, phase: phase(f.Phase), used: true, ending: f.Ending, overflow: f.Overflow, demoted: f.Demoted,
		}
		c.gauges[RTT] = f.RTT
		cs.byKey.add(cs.byKey.hashText(c.values), i)
		if c.origin < a.origins.records.size && a.origins.peek(c.origin) != nil {
			n := a.origins.at(c.origin).node
			if c.period = n.period(s.FeedTime); !c.overflow {
				c.node = n // where node_tid is no label, another node may have reported it first
			}
		}
		if cs.begin(c); c.phase == ended { // at a tick that may be the latest
			cs.ended = append(cs.ended, departure{i, c.tick})
		}
		if c.phase == closing { // its stale markers come with the values before them
			c.sampled = [2]sampled{{c.counts, c.gauges, false}, {c.counts, c.gauges, false}}
		}
		if waiting, ok := s.Deferred[i]; ok {
			cs.deferred[i] = adoptCounts(waiting)
		}
	}
	cs.records.reclaim(func(c *connection) bool { return c.used })
}

func (a *Aggregator) adoptCaptures(s *former.State) {
	for _, f := range s.Captures {
		total := CaptureRow{
			CaptureID: f.ID, FlowCount: f.FlowCount, FlowDropped: f.FlowDropped, KernelFlowDropped: f.KernelFlowDropped,
			PacketsDropped: f.PacketsDropped, PacketsReceived: f.PacketsReceived,
		}
		c := &captureState{
			sampled: [2]CaptureRow{total, total}, total: total,
			phase: phase(f.Phase), ending: f.Ending, seen: f.Seen, start: f.Start,
		}
		for _, t := range f.Tables {
			one := table{seen: t.Seen}
			one.stats.FlowCount = t.FlowCount
			c.tables = append(c.tables, one)
		}
		a.captures.tables += len(c.tables)
		a.captures.add(c)
	}
}
