// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// undo undoes the latest tick, which receivers did not get: what it began has not begun, and
// what it ended has its stale markers still to come. The journal that continues records it
// first.
func (r *replay) undo() {
	a := r.a
	cs := a.connections
	for i := range cs.records.size {
		c := cs.records.at(i)
		if final, ok := r.ended[i]; ok && c.used {
			if c.phase != ended { // it has returned since
				waiting := cs.deferred[i]
				waiting.add(&c.counts)
				cs.deferred[i] = waiting
			}
			c.counts, c.start, c.gauges = final.counts, final.start, final.gauges
			c.phase, c.ending, c.demoted = closing, false, final.demoted
			continue
		}
		if !c.used || (c.phase != live && c.phase != closing) {
			continue
		}
		c.ending = c.ending || c.phase == closing
		c.phase = live
		if a.latest.zero != 0 && c.start == a.latest.zero {
			c.phase, c.start = fresh, 0
		}
	}
	for _, c := range a.captures.list {
		switch {
		case r.endedCapture[c.total.CaptureID] && c.phase == ended:
			c.phase = closing
		case c.phase == live || c.phase == closing:
			c.ending = c.ending || c.phase == closing
			c.phase = live
			if a.latest.zero != 0 && c.start == a.latest.zero {
				c.phase, c.start = fresh, 0
			}
		}
	}
	a.latest.at = a.latest.before
	clear(r.ended)
	clear(r.endedCapture)
}
