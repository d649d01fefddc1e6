// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

const (
	// tableSilence is how long, in feed time, a flow table may be silent before it
	// is taken for gone: each reports every 10 s.
	tableSilence = 15 * time.Second
	// tableDue is how long after its last report a table's next one is expected,
	// with room for the analyzer's delay.
	tableDue = 8 * time.Second
	// captureSilence is how long, in feed time, a capture may be silent before its
	// series end.
	captureSilence = time.Minute
	// maxCaptures and maxTables bound the captures, and the flow tables of all.
	maxCaptures = 10_000
	maxTables   = 100_000
)

// captures holds the statistics that captures report of themselves.
//
// A capture that matches several interfaces has a flow table on each, and every
// table reports under the capture's id alone. Its numbers are cumulative since
// the table began. So the tables are told apart here, and what each grew by is
// added up.
type captures struct {
	byID   map[string]*captureState
	tables int // in all
}

type captureState struct {
	sampled [2]CaptureRow // by side, see [Aggregator.side]
	live    [2]bool       // it had values at that tick, not stale markers
	total   CaptureRow    // since the first sight
	tables  []table       // the one silent longest first
	phase   phase
	ending  bool
	seen    time.Duration // feed time of the latest report
	start   int64         // ms, as with connections
}

// table is one flow table's latest report.
type table struct {
	seen  time.Duration // feed time
	stats CaptureStats  // without CaptureID
}

func newCaptures() *captures { return &captures{byID: map[string]*captureState{}} }

// report takes one message. It returns false when the capture or its
// table is a new one and there are too many already, or its name is too long.
func (cs *captures) report(s CaptureStats, feedNow time.Duration) bool {
	id := string(appendText(nil, s.CaptureID))
	c, ok := cs.byID[id]
	if !ok {
		if len(cs.byID) >= maxCaptures || id == "" || len(id) > maxText {
			return false
		}
		c = &captureState{total: CaptureRow{CaptureID: id}}
		cs.byID[id] = c
	}
	s.CaptureID = nil
	c.seen = feedNow
	if c.phase == ended {
		c.phase, c.total = fresh, CaptureRow{CaptureID: c.total.CaptureID}
	}
	cs.tables -= c.forget(feedNow)
	if i := c.reporter(s, feedNow); i >= 0 {
		c.total.add(c.tables[i].stats, s)
		c.tables = append(append(c.tables[:i], c.tables[i+1:]...), table{feedNow, s})
		return true
	}
	// A table that is new counts from here: what it did before is history.
	if cs.tables >= maxTables {
		return false
	}
	cs.tables++
	c.tables = append(c.tables, table{feedNow, s})
	return true
}

// reporter returns the index of the table whose next report s is, or -1: of
// those that it can follow the nearest, by packets, but one whose turn it is
// before one that has just reported.
func (c *captureState) reporter(s CaptureStats, feedNow time.Duration) int {
	best, bestDue := -1, false
	for i := range c.tables {
		t := &c.tables[i]
		if !t.stats.follows(s) {
			continue
		}
		due := feedNow-t.seen >= tableDue
		nearer := best < 0 || t.stats.PacketsReceived > c.tables[best].stats.PacketsReceived
		if (due && !bestDue) || (due == bestDue && nearer) {
			best, bestDue = i, due
		}
	}
	return best
}

// forget drops the tables that are gone and returns how many.
func (c *captureState) forget(feedNow time.Duration) (n int) {
	for n < len(c.tables) && feedNow-c.tables[n].seen > tableSilence {
		n++
	}
	c.tables = append(c.tables[:0], c.tables[n:]...)
	return n
}

// follows says whether next can be the table's next report after s.
func (s CaptureStats) follows(next CaptureStats) bool {
	return next.FlowDropped >= s.FlowDropped &&
		next.KernelFlowDropped >= s.KernelFlowDropped &&
		next.PacketsDropped >= s.PacketsDropped &&
		next.PacketsReceived >= s.PacketsReceived
}

// add adds what a table's cumulative numbers grew by.
func (r *CaptureRow) add(from, to CaptureStats) {
	r.FlowDropped += uint64(to.FlowDropped - from.FlowDropped)
	r.KernelFlowDropped += uint64(to.KernelFlowDropped - from.KernelFlowDropped)
	r.PacketsDropped += uint64(to.PacketsDropped - from.PacketsDropped)
	r.PacketsReceived += uint64(to.PacketsReceived - from.PacketsReceived)
}

// endAll makes every series end, as [Aggregator.EndAll] says.
func (cs *captures) endAll() (left int) {
	for _, c := range cs.byID {
		if c.phase != ended {
			c.ending = true
			left++
		}
	}
	return left
}

// sample returns the points of all captures at a tick, which is that of the given
// side.
func (cs *captures) sample(side int, t tickTimes, feedNow time.Duration) []CapturePoint {
	var points []CapturePoint
	for id, c := range cs.byID {
		if c.phase == ended {
			cs.tables -= len(c.tables)
			delete(cs.byID, id)
			continue
		}
		if c.phase == closing || (c.phase == live && !c.ending && feedNow-c.seen >= captureSilence) {
			points = append(points, CapturePoint{CaptureRow: c.sampled[1-side], Start: c.start, End: true})
			c.phase, c.ending, c.live[side], c.start = ended, false, false, t.at+1
			continue
		}
		zero := t.begin(c.start)
		if c.phase == fresh && zero == 0 {
			c.live[side] = false
			continue
		}
		cs.tables -= c.forget(feedNow)
		c.total.FlowCount = 0
		for _, table := range c.tables {
			c.total.FlowCount += uint64(max(table.stats.FlowCount, 0))
		}
		p := CapturePoint{CaptureRow: c.total}
		if c.phase == fresh {
			c.start = zero
			p.Begin = c.start
		}
		p.Start = c.start
		c.sampled[side], c.live[side], c.phase = c.total, true, live
		if c.ending {
			c.phase = closing
		}
		points = append(points, p)
	}
	return points
}
