// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package former

import (
	"slices"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
)

// Each flow table of a capture reports about every 10 s under the capture's id alone: a report
// replaces the one closest to that age. Replaying them is counting them once more.
const (
	statsPeriod    = 10 * time.Second
	tableSilence   = 25 * time.Second
	captureSilence = time.Minute
	maxCaptures    = 10_000
	maxTables      = 100_000
)

// capture applies 23, a capture, whole.
func (r *replay) capture(d *decoder) {
	c := Capture{ID: d.String()}
	c.FlowDropped, c.KernelFlowDropped, c.PacketsDropped, c.PacketsReceived = d.Uvarint(), d.Uvarint(), d.Uvarint(), d.Uvarint()
	d.incarnation(&c.Incarnation)
	c.Start, c.Seen = d.Varint(), time.Duration(d.Varint())
	for n := d.Uvarint(); n > 0 && !d.Bad; n-- {
		c.Tables = append(c.Tables, Table{time.Duration(d.Varint()), d.stats()[0]})
	}
	*r.named(c.ID) = c
}

// named returns the capture of that id, which it adds as needed.
func (r *replay) named(id string) *Capture {
	c := r.captures[id]
	if c == nil {
		c = &Capture{ID: id}
		r.captures[id], r.Captures = c, append(r.Captures, c)
	}
	return c
}

// stats reads flows, dropped ones, those that the kernel dropped, and packets, which do not count.
func (d *decoder) stats() [5]int64 {
	return [5]int64{d.Varint(), d.Varint(), d.Varint(), d.Varint(), d.Varint()}
}

// report applies 22, a message of a capture's statistics.
func (r *replay) report(d *decoder) {
	id, stats := string(label.AppendUTF8(nil, []byte(d.String()))), d.stats()
	if r.captures[id] == nil && (len(r.captures) >= maxCaptures || id == "" || len(id) > 256) {
		return
	}
	c := r.named(id)
	if c.Phase == Ended {
		*c = Capture{ID: id, Incarnation: Incarnation{Start: c.Start, Ending: c.Ending}, Tables: c.Tables}
	}
	c.Seen = r.FeedTime
	c.FlowDropped += uint64(max(stats[1], 0))
	c.KernelFlowDropped += uint64(max(stats[2], 0))
	c.dropSilent(r.FeedTime)
	best, least := -1, tableSilence
	for i, t := range c.Tables {
		age := r.FeedTime - t.Seen
		if off := (age - statsPeriod).Abs(); age >= statsPeriod/2 && off < least {
			best, least = i, off
		}
	}
	if best >= 0 {
		c.Tables = slices.Delete(c.Tables, best, best+1)
	} else if r.tables() >= maxTables {
		return
	}
	c.Tables = append(c.Tables, Table{r.FeedTime, stats[0]})
}

// tables is how many there are of all captures.
func (r *replay) tables() (n int) {
	for _, c := range r.Captures {
		n += len(c.Tables)
	}
	return n
}

// dropSilent removes the tables that no longer report, which come first.
func (c *Capture) dropSilent(feedNow time.Duration) {
	for len(c.Tables) > 0 && feedNow-c.Tables[0].Seen > tableSilence {
		c.Tables = c.Tables[1:]
	}
}

// sampleCaptures does with captures what the latest tick did.
func (r *replay) sampleCaptures() {
	clear(r.endedCaptures)
	r.Captures = slices.DeleteFunc(r.Captures, func(c *Capture) bool {
		if c.Phase == Ended {
			delete(r.captures, c.ID)
		}
		return c.Phase == Ended
	})
	for _, c := range r.Captures {
		switch zero := r.Latest.Zero; {
		case c.Phase == Closing, c.Phase == Live && !c.Ending && r.FeedTime-c.Seen >= captureSilence:
			r.endedCaptures[c.ID] = c.Start
			c.Incarnation = Incarnation{Start: r.Latest.At + 1, Phase: Ended}
			continue
		case c.Phase == Fresh && (zero == 0 || zero < c.Start):
			continue
		case c.Phase == Fresh:
			c.Start = zero
		}
		c.dropSilent(r.FeedTime)
		c.FlowCount, c.PacketsDropped, c.PacketsReceived = 0, 0, 0
		for _, t := range c.Tables {
			c.FlowCount += uint64(max(t.FlowCount, 0))
		}
		if c.Phase = Live; c.Ending {
			c.Phase = Closing
		}
	}
}
