// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"time"

	"github.com/skydive-project/skybridge/input"
)

// finishTimeout is the FinishType of an end record. The others do not end a flow: they say
// that its first packet carried FIN or RST.
const finishTimeout = 1

// malformed returns why a record cannot be counted, or "".
func malformed(f *input.Flow) string {
	m := &f.Metric
	switch {
	case len(f.UUID) == 0,
		m.ABBytes < 0, m.ABPackets < 0, m.BABytes < 0, m.BAPackets < 0:
		return skippedMalformed
	case max(len(f.UUID), len(f.ParentUUID), len(f.NodeTID), len(f.CaptureID), len(f.NetworkA), len(f.NetworkB), len(f.TransportProtocol)) > maxText,
		!f.HasTransport && len(f.Application) > maxText:
		return skippedTooLong
	default:
		return ""
	}
}

// progress is what a record adds to what was known of its flow.
type progress struct {
	baseline uint32
	record   *baseline
	delta    counts
	// from is a lower bound of when delta began, in ms on the agent's clock; 0: not known.
	from  int64
	stale bool // the record, or a field of it, is late
}

// advance raises the flow's baseline to the record's cumulative metric and fills p. Not ok:
// the metric grew by more than a counter holds, which no network carries between two
// updates; the baseline does not change.
func (a *Aggregator) advance(from *origin, f *input.Flow, feedNow time.Duration, when timing, p *progress) (ok bool) {
	metric := counted(&f.Metric)
	i, b := a.baselines.find(f.UUID, from)
	if b != nil && a.isDue(b, feedNow) { // it has not been swept yet
		a.evict(i, b.evictReason())
		i, b = none, nil
	}
	if when == onArrival && (b == nil || b.raisedTo(metric) != b.counts) && a.readClock(from, f, feedNow) {
		i, b = a.baselines.find(f.UUID, from) // a record that was held may have been of this flow
	}
	known := b != nil
	*p = progress{baseline: i, record: b}
	if known {
		ok = p.grow(metric)
	} else {
		ok = a.addBaseline(from, f, metric, feedNow, when, p)
	}
	if !ok || p.record == nil {
		return ok
	}
	p.setTimes(f)
	if known && p.delta.isZero() {
		a.learnExpire(from.node, f, p.record, feedNow)
	}
	a.baselines.touch(p.baseline, p.record, f.FinishType == finishTimeout, a.repeatable(from), feedNow)
	if !known {
		a.keepHistory(p)
	}
	return true
}

// grow raises an existing baseline to a metric.
func (p *progress) grow(metric counts) (ok bool) {
	next := p.record.counts
	if p.delta, p.stale = next.advance(metric); !p.delta.within(maxCount) {
		return false
	}
	p.record.counts = next
	p.from = p.record.last
	return true
}

// addBaseline makes the baseline of a flow that has none, or holds the record until it can
// be decided what of it counts.
func (a *Aggregator) addBaseline(from *origin, f *input.Flow, metric counts, feedNow time.Duration, when timing, p *progress) (ok bool) {
	var why historyReason
	if p.delta, why = a.firstSight(from, f, metric, feedNow, when); why == undecided {
		a.holdRecord(from, f)
		return true
	}
	if !p.delta.within(maxCount) {
		return false
	}
	history := metric.minus(p.delta)
	a.metrics.history[why].Add(float64(history.totalBytes()))
	p.from = f.Start
	if !history.isZero() {
		p.from = f.LastUpdate.Start
	}
	if limit := a.cfg.MaxFlows; limit > 0 && a.baselines.records.used >= limit {
		least, reason := a.baselines.leastRecent(), evictBound
		if b := a.baselines.records.at(least); a.isDue(b, feedNow) {
			reason = b.evictReason()
		} else {
			a.warnings.log(evictBound, "aggregation.max_flows is reached: the least recently reported flows are evicted", "limit", limit)
			a.known.since = feedNow
		}
		a.evict(least, reason)
	}
	p.baseline, p.record = a.baselines.add(f, from)
	p.record.counts = metric
	return true
}

// setTimes takes the times of a record.
func (p *progress) setTimes(f *input.Flow) {
	b := p.record
	b.start = max(b.start, f.Start)
	switch at := f.Updated(); {
	case at >= b.last:
		b.last = at
	case f.FinishType != finishTimeout && !p.stale && !p.delta.isZero() && b.last-at > lateAfter.Milliseconds():
		// The flow grew, so the record is newer: the clock was set back.
		b.last, p.from = at, 0
	}
}

// keepHistory stores what does not count at a first sight.
func (a *Aggregator) keepHistory(p *progress) {
	if history := p.record.minus(p.delta); !history.isZero() {
		a.baselines.histories[p.baseline] = history
	}
}

// historyReason is why bytes do not count at a first sight: the label of
// skybridge_history_bytes_total.
type historyReason int

const (
	historyEpoch     historyReason = iota // the flow began before the epoch
	historyEvicted                        // it may be one whose baseline was evicted
	historyUndecided                      // too many records were held
	historyReasons

	undecided // the record has to be held
)

// String returns the label's value.
func (v historyReason) String() string {
	return [...]string{"before_epoch", "after_eviction", "undecided"}[v]
}

// firstSight returns what counts of the metric of a flow without a baseline, and why the
// rest does not. docs/explanation/counting.md has the rules.
func (a *Aggregator) firstSight(from *origin, f *input.Flow, metric counts, feedNow time.Duration, when timing) (counts, historyReason) {
	switch {
	case from.epoch == 0:
		return counts{}, historyEpoch
	case when == onArrival && from.holds(f):
		return counts{}, undecided
	}
	n, live := from.node, f.FinishType != finishTimeout
	// The last update is at most the whole.
	lum := counted(&f.LastUpdate).atMost(metric)
	if !f.HasLastUpdate {
		lum = counts{}
	}
	behind := live && f.HasLastUpdate && n.clock.isUndecided(f)
	first := live && f.HasLastUpdate && lum == metric
	switch why := from.reason(f); {
	case first && behind && len(a.clock.analyzers) > 1 && from.mayBeEvicted(f):
		// Another analyzer may have delivered the flow's next update before.
		return counts{}, undecided
	case first, from.isNew(f):
		return metric, why
	case live && when == afterStep: // it cannot have been counted, whatever was evicted meanwhile
		return lum, why
	case f.HasLastUpdate && f.LastUpdate.Last >= from.alignedEpoch && !from.mayBeEvicted(f) &&
		(live || !n.clock.ambiguous(f.LastUpdate.Last, n.period(feedNow))):
		return lum, why
	case behind && !lum.isZero():
		return counts{}, undecided
	default:
		return counts{}, why
	}
}

// isNew reports whether a flow certainly began while this state existed and has not been
// counted: it began after the epoch and after every evicted flow. A Start never changes, so
// it is compared as it is; one ahead of the flow's own update is from before a step of the
// clock.
func (s *origin) isNew(f *input.Flow) bool {
	return f.Start > max(s.epoch, s.evicted.start, s.evictedByBound.start) && f.Start <= f.Updated()
}

// mayBeEvicted reports whether a record's LastUpdateMetric may have counted before the
// flow's baseline was evicted: the flow began and was updated no later than evicted ones.
// All flows of a table share the time of an update, so a live one at the mark of max_flows
// is not what raised it. An end record repeats an update, so its flow's Start decides.
func (s *origin) mayBeEvicted(f *input.Flow) bool {
	last := f.LastUpdate.Last
	return f.Start <= s.evicted.start && last <= s.evicted.last ||
		f.Start <= s.evictedByBound.start && (f.FinishType == finishTimeout || last < s.evictedByBound.last)
}

// reason returns why the history of a flow does not count.
func (s *origin) reason(f *input.Flow) historyReason {
	if f.Start > s.epoch {
		return historyEvicted
	}
	return historyEpoch
}

// repeatable reports whether another capture may still report a flow that has ended.
func (a *Aggregator) repeatable(from *origin) bool {
	return from.node.origins > 1 || a.scope == byTuple && len(a.origins.nodes.byTID) > 1
}

// endedRetention is how long, in feed time, a baseline of the node stays after its end
// record: a period and a minute, for analyzers can deliver records out of order, and two
// minutes at least. A repeatable one stays until every capture has reported the end, which
// is between one and two flow.expire after the last packet.
func (a *Aggregator) endedRetention(n *node, repeatable bool, feedNow time.Duration) time.Duration {
	keep := n.period(feedNow) + time.Minute
	if repeatable {
		keep = max(keep, a.expire(n)+time.Minute)
	}
	return max(keep, 2*time.Minute)
}

// expire returns an upper bound of Skydive's flow.expire. Flows can end earlier, by a timeout
// of their application or with their capture, so only an end later than the default counts.
func (a *Aggregator) expire(n *node) time.Duration {
	switch {
	case a.cfg.FlowExpire > 0:
		return a.cfg.FlowExpire
	case a.scope == byTuple:
		return max(defaultExpire, a.origins.nodes.expire)
	default:
		return max(defaultExpire, n.expire)
	}
}

// evict removes a baseline, and counts why.
func (a *Aggregator) evict(i uint32, reason string) {
	from := a.origins.at(a.baselines.records.at(i).flags.originID())
	from.align()
	a.leaveConversation(i)
	a.baselines.evict(i, from, reason == evictBound)
	a.metrics.evicted.WithLabelValues(reason).Inc()
}

// evictDue evicts up to limit baselines whose retention is over.
func (a *Aggregator) evictDue(feedNow time.Duration, limit int) {
	bs := a.baselines
	for _, l := range [...]*seenList{&bs.live, &bs.ended, &bs.repeatable} {
		for ; limit > 0 && l.oldest != none; limit-- {
			b := bs.records.at(l.oldest)
			if !a.isDue(b, feedNow) {
				break
			}
			a.evict(l.oldest, b.evictReason())
		}
	}
}

// isDue reports whether the retention of a baseline is over.
func (a *Aggregator) isDue(b *baseline, feedNow time.Duration) bool {
	keep := a.cfg.FlowRetention
	if b.flags.is(isEnded) {
		keep = a.endedRetention(a.origins.at(b.flags.originID()).node, b.flags.is(isRepeatable), feedNow)
	}
	return feedNow-b.seen.time() >= keep
}

// evictReason is why a baseline is evicted that is due.
func (b *baseline) evictReason() string {
	if b.flags.is(isEnded) {
		return evictEnded
	}
	return evictRetention
}
