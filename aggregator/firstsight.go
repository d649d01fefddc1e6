// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// finishTimeout is the FinishType of an end record. The others do not end a
// flow: they are set when its first packet carried FIN or RST.
const finishTimeout = 1

// malformed returns why a record cannot be counted, or "".
func malformed(f *Flow) string {
	m := &f.Metric
	switch {
	case len(f.UUID) == 0,
		m.ABBytes < 0, m.ABPackets < 0, m.BABytes < 0, m.BAPackets < 0:
		return skipMalformed
	case max(len(f.UUID), len(f.ParentUUID), len(f.NodeTID), len(f.CaptureID), len(f.NetworkA), len(f.NetworkB), len(f.TransportProtocol)) > maxText,
		!f.HasTransport && len(f.Application) > maxText:
		return skipTooLong
	default:
		return ""
	}
}

// progress is what a record adds to what was known of its flow.
type progress struct {
	baseline uint32
	record   *baseline
	delta    counts
	// from is when what delta holds began, in ms on the agent's clock, or earlier; 0:
	// not known.
	from  int64
	stale bool // the record, or a field of it, was overtaken by a newer one
}

// advance moves the flow's baseline to the record's cumulative metric and
// tells p by how much it grew. Not ok means that it grew by more than a
// counter holds, which no network carries between two updates; the baseline
// then stays.
func (a *Aggregator) advance(src *source, f *Flow, feedNow time.Duration, when timing, p *progress) (ok bool) {
	metric := counted(&f.Metric)
	i, b := a.baselines.find(f, src)
	if when == onArrival && (b == nil || b.raisedTo(metric) != b.counts) && a.readClock(src, f, feedNow) {
		i, b = a.baselines.find(f, src) // what was held may have been of the same flow
	}
	known := b != nil
	*p = progress{baseline: i, record: b}
	if known {
		ok = p.grow(metric)
	} else {
		ok = a.addBaseline(src, f, metric, feedNow, when, p)
	}
	if !ok || p.record == nil {
		return ok
	}
	p.setTimes(f)
	if known && p.delta.isZero() {
		a.learnExpire(src.node, f, p.record, feedNow)
	}
	a.baselines.touch(p.baseline, f.FinishType == finishTimeout, a.repeatable(src), feedNow)
	if known {
		a.journal.seen(p.baseline, p.record)
	} else {
		a.journal.baseline(p.baseline, p.record, a.baselines.texts[p.baseline])
		a.keepHistory(p)
	}
	return true
}

// grow moves a baseline that there is to a metric.
func (p *progress) grow(metric counts) (ok bool) {
	next := p.record.counts
	if p.delta, p.stale = next.advance(metric); !p.delta.fit(maxCount) {
		return false
	}
	p.record.counts = next
	p.from = p.record.last
	return true
}

// addBaseline makes the baseline of a flow that has none, unless the record is held
// until it can be decided what of it counts.
func (a *Aggregator) addBaseline(src *source, f *Flow, metric counts, feedNow time.Duration, when timing, p *progress) (ok bool) {
	var why verdict
	if p.delta, why = a.firstSight(src, f, metric, feedNow, when); why == undecided {
		a.holdRecord(src, f)
		return true
	}
	if !p.delta.fit(maxCount) {
		return false
	}
	history := metric.minus(p.delta)
	a.metrics.history[why].Add(float64(history.totalBytes()))
	p.from = f.Start
	if !history.isZero() {
		p.from = f.LastUpdate.Start
	}
	if limit := a.cfg.MaxFlows; limit > 0 && a.baselines.records.used >= limit {
		a.notices.say(evictBound, "aggregation.max_flows is reached: the flows unseen longest are forgotten", "limit", limit)
		a.evict(a.baselines.longestUnseen(), evictBound)
		a.known.since = feedNow
	}
	p.baseline, p.record = a.baselines.add(f, src)
	p.record.counts = metric
	return true
}

// setTimes takes from a record when its flow began and was updated.
func (p *progress) setTimes(f *Flow) {
	b := p.record
	b.start = max(b.start, f.Start)
	switch at := f.updated(); {
	case at >= b.last:
		b.last = at
	case f.FinishType != finishTimeout && !p.stale && !p.delta.isZero() && b.last-at > lateAfter.Milliseconds():
		// The flow grew, so the record is newer: the clock was set back.
		b.last, p.from = at, 0
	}
}

// keepHistory remembers what does not count of a flow that is seen for the first time.
func (a *Aggregator) keepHistory(p *progress) {
	if history := p.record.minus(p.delta); !history.isZero() {
		a.baselines.histories[p.baseline] = history
		a.journal.history(p.baseline, history)
	}
}

// verdict says what kept bytes of a flow that is seen for the first time from
// counting, as skybridge_history_bytes_total has it.
type verdict int

const (
	historyEpoch     verdict = iota // the flow began before the epoch
	historyEvicted                  // it may be one whose baseline was evicted
	historyUndecided                // too many records were in doubt
	historyEnd

	undecided // nothing yet: the record is held
)

// String returns the reason as the metric's label has it.
func (v verdict) String() string {
	return [...]string{"before_epoch", "after_eviction", "undecided"}[v]
}

// firstSight returns what counts of a flow that has no baseline, of the metric in
// its record, and what kept the rest. docs/explanation/counting.md has the rules.
func (a *Aggregator) firstSight(src *source, f *Flow, metric counts, feedNow time.Duration, when timing) (counts, verdict) {
	switch {
	case src.epoch == 0:
		return counts{}, historyEpoch
	case when == onArrival && src.holds(f):
		return counts{}, undecided
	}
	n, live := src.node, f.FinishType != finishTimeout
	// An update is part of the whole; more than that would be invented.
	lum := counted(&f.LastUpdate).atMost(metric)
	if !f.HasLastUpdate {
		lum = counts{}
	}
	inDoubt := live && f.HasLastUpdate && n.clock.inDoubt(f)
	first := live && f.HasLastUpdate && lum == metric
	switch why := src.reason(f); {
	case first && inDoubt && len(a.clock.analyzers) > 1 && src.mayBeEvicted(f):
		// Another analyzer may have delivered the flow's next update before.
		return counts{}, undecided
	case first, src.isNew(f):
		return metric, why
	case live && when == afterStep: // it cannot have counted, whatever is evicted for it meanwhile
		return lum, why
	case f.HasLastUpdate && f.LastUpdate.Last >= src.reach && !src.mayBeEvicted(f) &&
		(live || !n.clock.ambiguous(f.LastUpdate.Last, n.period(feedNow))):
		return lum, why
	case inDoubt && !lum.isZero():
		return counts{}, undecided
	default:
		return counts{}, why
	}
}

// isNew says whether a flow surely began while this state was kept, and none of it
// has counted: it began after the epoch and after every flow that was evicted. Starts
// never change, so they are compared on whatever scale of the agent's clock they are;
// one that lies ahead of the flow's own update is of another scale.
func (s *source) isNew(f *Flow) bool {
	return f.Start > max(s.epoch, s.retired.start, s.displaced.start) && f.Start <= f.updated()
}

// mayBeEvicted says whether a record's LastUpdateMetric may have counted before the
// flow's baseline was evicted: the flow began before some that was, as Starts never
// change, and was updated before it. All flows of a table share the time of an update,
// so a live one at the mark of max_flows is not what raised it. An end record repeats an
// update, so there the flow's Start alone decides.
func (s *source) mayBeEvicted(f *Flow) bool {
	last := f.LastUpdate.Last
	return f.Start <= s.retired.start && last <= s.retired.last ||
		f.Start <= s.displaced.start && (f.FinishType == finishTimeout || last < s.displaced.last)
}

// reason says what keeps the history of a flow from counting.
func (s *source) reason(f *Flow) verdict {
	if f.Start > s.epoch {
		return historyEvicted
	}
	return historyEpoch
}

// repeatable says whether another capture may still report a flow that has ended
// on this one.
func (a *Aggregator) repeatable(src *source) bool {
	return src.node.sources > 1 || a.scope == byTuple && len(a.sources.nodes.byTID) > 1
}

// endedRetention is how long, in feed time, a baseline of the node stays after its end
// record: until every flow that was live then was reported again, for records can
// overtake each other between analyzers, and two minutes at least. A repeatable one
// stays for as long as another capture may report the end of the same flow: both
// report it between one and two flow.expire after the last packet.
func (a *Aggregator) endedRetention(n *node, repeatable bool, feedNow time.Duration) time.Duration {
	keep := n.period(feedNow) + time.Minute
	if repeatable {
		keep = max(keep, a.expire(n)+time.Minute)
	}
	return max(keep, 2*time.Minute)
}

// expire returns Skydive's flow.expire, or more. Flows can end earlier, by a timeout of
// their application or because their capture is deleted, so that only an end later than
// the default says something.
func (a *Aggregator) expire(n *node) time.Duration {
	switch {
	case a.cfg.FlowExpire > 0:
		return a.cfg.FlowExpire
	case a.scope == byTuple:
		return max(defaultExpire, a.sources.nodes.expire)
	default:
		return max(defaultExpire, n.expire)
	}
}

// evict forgets a baseline, and counts why.
func (a *Aggregator) evict(i uint32, reason string) {
	src := a.sources.list[a.baselines.records.at(i).from.source()]
	a.alignMarks(src)
	a.leave(i)
	a.baselines.evict(i, src, reason == evictBound)
	a.journal.baselineFree(i)
	a.journal.marks(src)
	if reason == evictBound {
		a.journal.clock(src)
	}
	a.metrics.evicted.WithLabelValues(reason).Inc()
}

// evictDue forgets up to limit baselines whose time is over, and says whether
// that was all of them.
func (a *Aggregator) evictDue(feedNow time.Duration, limit int) (done bool) {
	bs := a.baselines
	lists := []struct {
		list   *seenList
		reason string
	}{{&bs.live, evictRetention}, {&bs.ended, evictEnded}, {&bs.repeatable, evictEnded}}
	for _, l := range lists {
		for ; l.list.oldest != none; limit-- {
			oldest := bs.records.at(l.list.oldest)
			keep := a.cfg.FlowRetention
			if l.reason == evictEnded {
				keep = a.endedRetention(a.sources.list[oldest.from.source()].node, oldest.from.is(isRepeatable), feedNow)
			}
			if feedNow-oldest.seen.time() < keep {
				break
			}
			if limit == 0 {
				return false
			}
			a.evict(l.list.oldest, l.reason)
		}
	}
	return true
}
