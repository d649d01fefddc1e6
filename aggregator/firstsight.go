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
	case max(len(f.UUID), len(f.ParentUUID), len(f.NodeTID), len(f.CaptureID), len(f.NetworkA), len(f.NetworkB), len(f.TransportProtocol)) > maxText:
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
func (a *Aggregator) advance(src *source, f *Flow, feedNow time.Duration, p *progress) (ok bool) {
	*p = progress{}
	metric := counted(&f.Metric)
	i, b := a.baselines.find(f, src)
	known := b != nil
	var history counts
	if !known {
		if p.delta = firstSight(src, f, metric); !p.delta.fit(maxCount) {
			return false
		}
		history = metric.minus(p.delta)
		a.metrics.historyBytes.Add(float64(history.totalBytes()))
		p.from = f.Start
		if !history.isZero() {
			p.from = f.LastUpdate.Start
		}
		if limit := a.cfg.MaxFlows; limit > 0 && a.baselines.records.used >= limit {
			a.notices.say(evictBound, a.now(), "aggregation.max_flows is reached: the flows unseen longest are forgotten", "limit", limit)
			a.evict(a.baselines.longestUnseen(), evictBound)
			a.known.since = feedNow
		}
		i, b = a.baselines.add(f, src)
		b.counts = metric
	} else {
		next := b.counts
		if p.delta, p.stale = next.advance(metric); !p.delta.fit(maxCount) {
			return false
		}
		b.counts = next
		p.from = b.last
	}
	p.baseline, p.record = i, b
	b.start = max(b.start, f.Start)
	b.last = max(b.last, f.updated())
	a.baselines.touch(i, f.FinishType == finishTimeout, feedNow)
	if known {
		a.journal.seen(i, b)
	} else {
		a.journal.baseline(i, b, a.baselines.texts[i])
		if !history.isZero() {
			a.baselines.histories[i] = history
			a.journal.history(i, history)
		}
	}
	return true
}

// firstSight returns what counts of a flow that has no baseline, of the metric
// in its record. Mostly this is
// its first update, and all of it is new. Otherwise something was missed,
// before this process or by it, and only what is surely new may count:
//
//   - all of Metric, if the flow began after the source's epoch and after every
//     flow whose baseline was evicted;
//   - else LastUpdateMetric, if it reaches to the epoch at least and beyond
//     every update of an evicted baseline;
//   - else nothing, nor while there is no epoch.
func firstSight(src *source, f *Flow, metric counts) counts {
	switch {
	case src.epoch == 0:
		return counts{}
	case f.Start > src.epoch && f.Start > src.evictedStart:
		return metric
	case f.HasLastUpdate && f.LastUpdate.Last >= src.epoch && f.LastUpdate.Last > src.evictedLast:
		// An update is part of the whole; more than that would be invented.
		return counted(&f.LastUpdate).atMost(metric)
	default:
		return counts{}
	}
}

// evict forgets a baseline, and counts why.
func (a *Aggregator) evict(i uint32, reason string) {
	src := a.sources.list[a.baselines.records.at(i).from.source()]
	a.leave(i)
	a.baselines.evict(i, src)
	a.journal.baselineFree(i)
	a.journal.marks(src)
	a.metrics.evicted.WithLabelValues(reason).Inc()
}

// evictDue forgets up to limit baselines whose time is over, and says whether
// that was all of them.
func (a *Aggregator) evictDue(feedNow time.Duration, limit int) (done bool) {
	lists := []struct {
		list   *seenList
		keep   time.Duration
		reason string
	}{
		{&a.baselines.live, a.cfg.FlowRetention, evictRetention},
		{&a.baselines.ended, endedRetention, evictEnded},
	}
	for _, l := range lists {
		for l.list.oldest != none && feedNow-a.baselines.records.at(l.list.oldest).seen.time() >= l.keep {
			if limit == 0 {
				return false
			}
			limit--
			a.evict(l.list.oldest, l.reason)
		}
	}
	return true
}
