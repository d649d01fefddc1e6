// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// find looks up the connection of a flow.
func (a *Aggregator) find(f *Flow) (i uint32, ok bool) {
	a.key = a.labels.appendValues(a.key[:0], f)
	i, ok = a.connections.byKey[string(a.key)]
	return i, ok
}

// place returns the connection that counts a flow's traffic: its own, which is i
// where found, or the overflow where there is no room for one.
func (a *Aggregator) place(i uint32, found bool, f *Flow) uint32 {
	switch {
	case found && a.connections.records.at(i).phase != ended: // it lives
		return i
	case !a.room():
		return a.overflow(f)
	case !found:
		return a.connections.add(a.key, false)
	default: // it returns
		return i
	}
}

// room says whether one more connection fits into max_series.
func (a *Aggregator) room() bool {
	limit := a.cfg.MaxSeries
	return limit == 0 || a.connections.series+2*a.connections.layout.directions() <= limit
}

// overflow returns the connection that takes the traffic of flows for which
// there is no room.
func (a *Aggregator) overflow(f *Flow) uint32 {
	a.notices.say("max_series", a.now(), "aggregation.max_series is reached: new connections are counted in the overflow, labelled "+overflowValue, "limit", a.cfg.MaxSeries)
	a.key = a.connections.layout.appendOverflow(a.key[:0], f)
	i, ok := a.connections.byKey[string(a.key)]
	if !ok {
		i = a.connections.add(a.key, true)
	}
	return i
}

// setRTT records a round-trip time, unless its series would pass the bound. The
// overflow has none: it would mix connections that have nothing in common.
func (a *Aggregator) setRTT(i uint32, rtt uint64) {
	c := a.connections.records.at(i)
	if c.overflow || c.phase == ended || c.phase == closing {
		return
	}
	if limit := a.cfg.MaxSeries; c.rtt == 0 && limit > 0 && a.connections.series+1 > limit {
		a.metrics.overflowRTTs.Inc()
		return
	}
	a.connections.setRTT(i, rtt)
}
