// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// rateWindow is the rate of a connection over a window of at least about a period. Skydive
// reports a flow once a period, which is longer than the time between ticks, so a rate from
// one tick to the next would mostly be 0 and sometimes several times too high. It is for
// display and not durable.
type rateWindow struct {
	perSecond [2]float32 // bytes per second in the latest window that is complete, by direction
	bytes     [2]float32 // bytes in the window that is not
	since     uint32     // when that one began: the low bits of a tick's time in ms
}

// add adds what a connection carried between two ticks, the latest at (ms). begins: it had
// carried nothing before.
func (p *rateWindow) add(was, is *counts, at int64, period time.Duration, begins bool) {
	for d := range p.bytes {
		p.bytes[d] += float32(is.bytes[d] - was.bytes[d])
	}
	window := time.Duration(uint32(at)-p.since) * time.Millisecond
	switch {
	case begins:
		window = period // when it began is not known; an update covers a period
	case p.since == 0: // recovered: the time of its latest traffic is not known
		*p = rateWindow{since: uint32(at)}
		return
	case window < period-period/4: // updates are not punctual
		return
	}
	for d := range p.perSecond {
		p.perSecond[d] = p.bytes[d] / float32(window.Seconds())
	}
	p.bytes, p.since = [2]float32{}, uint32(at)
}

// updateRate updates the rate of connection c at a tick.
func (a *Aggregator) updateRate(c *connection) {
	was := &c.sampled[a.samples.before()]
	begins := c.phase == fresh
	from := &was.counts
	if begins || !was.live {
		from = &counts{}
	}
	if c.bytes != from.bytes {
		c.rate.add(from, &c.counts, a.latest.at, c.period, begins)
	}
}

// TrafficRow is one connection with its rate.
type TrafficRow struct {
	Row
	// Rate is in bytes per second, indexed as Bytes, over about the time between two
	// reports of its flows; 0 where the next report is overdue.
	Rate [2]float32
	// Overflow: this is the traffic above the bounds on series.
	Overflow bool
}

// ScrapeTraffic is [Aggregator.Scrape] with rates.
func (a *Aggregator) ScrapeTraffic(cursor *ScrapeCursor, rows []TrafficRow) int {
	return scrape(a, cursor, rows, func(row *TrafficRow, c *connection, shown int, feedNow time.Duration) {
		*row = TrafficRow{Row: a.row(c, shown), Overflow: c.overflow}
		if feedNow-c.traffic < c.period+c.period/4+a.tickGap() {
			row.Rate = c.rate.perSecond
		}
	})
}

// tickGap is the time between the latest two ticks.
func (a *Aggregator) tickGap() time.Duration {
	if a.latest.before == 0 {
		return 0
	}
	return time.Duration(a.latest.at-a.latest.before) * time.Millisecond
}
