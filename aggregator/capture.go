// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

const (
	// statsPeriod is how often a flow table reports (Skydive's flow/table.go).
	statsPeriod = 10 * time.Second
	// tableDue is the least time between two reports of a table.
	tableDue = statsPeriod / 2
	// tableSilence is how long, in feed time, a flow table's latest report is valid: a
	// lost report has no effect.
	tableSilence = 25 * time.Second
	// captureSilence is after how long without reports, in feed time, a capture's series
	// end.
	captureSilence = time.Minute
	// maxCaptures and maxTables bound the captures, and the flow tables of all.
	maxCaptures = 10_000
	maxTables   = 100_000
)

// captures holds the statistics of captures.
//
// A capture that matches several interfaces has a flow table on each, and every table
// reports each 10 s under the capture's id alone. Drops are of that interval and add up,
// whichever table they are of. The capture's flows are the sum of what its tables reported
// last: a report replaces the one that came about 10 s before it.
//
// Packets come from the topology, see [input.CapturePackets]: those in these reports are
// sums of some ten readings of a cumulative number.
type captures struct {
	byID        map[string]*captureState
	list        []*captureState          // the same, in the order in which they came
	tables      int                      // in all
	packets     map[string]*packetCounts // by capture; nothing where the topology is off
	packetNodes int                      // of all packets
	refreshes   int                      // of packets
	whole       bool                     // a whole refresh of packets has begun
}

type captureState struct {
	sampled [2]CaptureRow // at the latest two ticks; see samplePair
	live    [2]bool       // it had values at that tick, not stale markers
	total   CaptureRow    // of this incarnation
	tables  []table       // the least recently reported first
	phase   phase
	ending  bool
	seen    time.Duration // feed time of the latest report
	start   int64         // ms, as with connections
}

// table is one flow table's latest report.
type table struct {
	seen  time.Duration      // feed time
	stats input.CaptureStats // FlowCount alone
}

func newCaptures() *captures {
	return &captures{byID: map[string]*captureState{}, packets: map[string]*packetCounts{}}
}

// report counts one message. It returns false when a new capture or table would exceed a
// bound, or the name is too long.
func (cs *captures) report(s input.CaptureStats, feedNow time.Duration) bool {
	id := string(label.AppendUTF8(nil, s.CaptureID))
	c, ok := cs.byID[id]
	if !ok {
		if len(cs.byID) >= maxCaptures || id == "" || len(id) > maxText {
			return false
		}
		c = &captureState{total: CaptureRow{CaptureID: id}}
		cs.add(c)
	}
	c.seen = feedNow
	if c.phase == ended {
		c.phase, c.total = fresh, CaptureRow{CaptureID: c.total.CaptureID}
	}
	c.total.FlowDropped += uint64(max(s.FlowDropped, 0))
	c.total.KernelFlowDropped += uint64(max(s.KernelFlowDropped, 0))
	cs.tables -= c.dropSilent(feedNow)
	latest := table{feedNow, input.CaptureStats{FlowCount: s.FlowCount}}
	if i := c.reporter(feedNow); i >= 0 {
		c.tables = append(append(c.tables[:i], c.tables[i+1:]...), latest)
		return true
	}
	if cs.tables >= maxTables {
		return false
	}
	cs.tables++
	c.tables = append(c.tables, latest)
	return true
}

func (cs *captures) add(c *captureState) {
	cs.byID[c.total.CaptureID] = c
	cs.list = append(cs.list, c)
}

// removeEnded removes the captures whose stale markers were sampled at a former tick.
func (cs *captures) removeEnded() {
	cs.list = slices.DeleteFunc(cs.list, func(c *captureState) bool {
		if c.phase != ended {
			return false
		}
		cs.tables -= len(c.tables)
		delete(cs.byID, c.total.CaptureID)
		return true
	})
}

// reporter returns the index of the table that reports now, the one whose last report is
// closest to a period ago, or -1 for a new one.
func (c *captureState) reporter(feedNow time.Duration) int {
	best, least := -1, tableSilence
	for i := range c.tables {
		age := feedNow - c.tables[i].seen
		if off := (age - statsPeriod).Abs(); age >= tableDue && off < least {
			best, least = i, off
		}
	}
	return best
}

// dropSilent removes the tables that no longer report and returns how many.
func (c *captureState) dropSilent(feedNow time.Duration) (n int) {
	for n < len(c.tables) && feedNow-c.tables[n].seen > tableSilence {
		n++
	}
	c.tables = append(c.tables[:0], c.tables[n:]...)
	return n
}

// endAll ends every series; see [Aggregator.LeftToEnd].
func (cs *captures) endAll() (left int) {
	for _, c := range cs.list {
		if c.phase != ended {
			c.ending = true
			left++
		}
	}
	return left
}

// sample returns the points of all captures at a tick. known returns how many flows of a
// capture have baselines, 0 for not known; nil: always 0.
func (cs *captures) sample(latest int, t tickTimes, feedNow time.Duration, known func(id string) uint64) []CapturePoint {
	cs.removeEnded()
	var points []CapturePoint
	for _, c := range cs.list {
		id, before := c.total.CaptureID, c.sampled[1-latest]
		if c.phase == closing || (c.phase == live && !c.ending && feedNow-c.seen >= captureSilence) {
			points = append(points, CapturePoint{CaptureRow: before, Start: c.start, End: true})
			c.phase, c.ending, c.start = ended, false, t.at+1
			c.sampled[latest], c.live[latest] = CaptureRow{}, false
			continue
		}
		zero := t.begin(c.start)
		if c.phase == fresh && zero == 0 {
			c.sampled[latest], c.live[latest] = CaptureRow{}, false
			continue
		}
		cs.tables -= c.dropSilent(feedNow)
		c.total.FlowCount = 0
		for _, table := range c.tables {
			c.total.FlowCount += uint64(max(table.stats.FlowCount, 0))
		}
		cs.packets[id].fill(&c.total, cs.refreshes)
		c.total.FlowsKnown = 0
		if known != nil {
			c.total.FlowsKnown = known(id)
		}
		p := CapturePoint{CaptureRow: c.total, Before: before}
		if c.phase == fresh {
			c.start = zero
			p.Begin = c.start
			p.Before = CaptureRow{}
		}
		p.Start = c.start
		c.sampled[latest], c.live[latest], c.phase = c.total, true, live
		if c.ending {
			c.phase = closing
		}
		points = append(points, p)
	}
	return points
}
