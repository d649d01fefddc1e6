// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// pace is how fast a connection carries traffic: what it carried in a window, and
// how much has come in the next one. Skydive reports a flow once a period, which is
// longer than a tick, so the increase of one tick says little: it would be nothing
// three times, then four times too much. A window is therefore about a period long
// at the least. It is for a person's eye and no part of the state.
type pace struct {
	rate  [2]float32 // bytes per second in the latest window that is complete, by direction
	more  [2]float32 // bytes in the window that is not
	since uint32     // when that one began: the low bits of a tick's time in ms
}

// move takes into account what a connection carried between two ticks, of which the
// latest is at (ms). begins says that it had carried nothing before.
func (p *pace) move(was, is *counts, at int64, period time.Duration, begins bool) {
	for d := range p.more {
		p.more[d] += float32(is.bytes[d] - was.bytes[d])
	}
	window := time.Duration(uint32(at)-p.since) * time.Millisecond
	switch {
	case begins:
		window = period // when it began is not known; a period is what an update tells of
	case p.since == 0: // recovered: nor is when its latest traffic was
		*p = pace{since: uint32(at)}
		return
	case window < period-period/4: // updates are not punctual
		return
	}
	for d := range p.rate {
		p.rate[d] = p.more[d] / float32(window.Seconds())
	}
	p.more, p.since = [2]float32{}, uint32(at)
}

// move keeps the pace of connection c at a tick.
func (a *Aggregator) move(c *connection, feedNow time.Duration) {
	was := &c.sampled[a.side.before()]
	begins := c.phase == fresh
	from := &was.counts
	if begins || !was.live {
		from = &counts{}
	}
	if c.bytes != from.bytes {
		c.pace.move(from, &c.counts, a.latest.at, a.sources.period(c.source, feedNow), begins)
	}
}

// TrafficRow is one connection with how fast it carries traffic.
type TrafficRow struct {
	Row
	// Rate is in bytes per second, indexed as Bytes, over about the time between two
	// reports of its flows; 0 where the next report is overdue.
	Rate [2]float32
	// Overflow says that this is what the bounds on series have no room for.
	Overflow bool
}

// ScrapeTraffic is [Aggregator.Scrape] for rows with their pace.
func (a *Aggregator) ScrapeTraffic(cursor *ScrapeCursor, rows []TrafficRow) int {
	for {
		if n, end := a.trafficBatch(cursor, rows); n > 0 || end {
			return n
		}
	}
}

// trafficBatch is ScrapeTraffic for one batch of records.
func (a *Aggregator) trafficBatch(cursor *ScrapeCursor, rows []TrafficRow) (n int, end bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	feedNow := a.clock.now(a.now())
	size := a.connections.records.size
	shown := a.side.shown
	for limit := min(cursor.next+batch, size); n < len(rows) && cursor.next < limit; cursor.next++ {
		c := a.connections.records.at(cursor.next)
		if !c.sampled[shown].live {
			continue
		}
		rows[n] = TrafficRow{Row: a.row(c, shown), Overflow: c.overflow}
		if period := a.sources.period(c.source, feedNow); feedNow-c.traffic < period+period/4+a.tickGap() {
			rows[n].Rate = c.pace.rate
		}
		n++
	}
	return n, cursor.next >= size
}

// tickGap is the time between the latest two ticks.
func (a *Aggregator) tickGap() time.Duration {
	if a.latest.before == 0 {
		return 0
	}
	return time.Duration(a.latest.at-a.latest.before) * time.Millisecond
}
