// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"strings"
	"time"
)

// ScrapeCursor is a position among connections; the zero value is the beginning. It is for
// one goroutine.
type ScrapeCursor struct{ next uint32 }

// Scrape fills rows with the next connections as the latest published tick sampled them and
// returns how many; 0 is the end. The lock is held for a batch only, so rows of one walk may
// be of two ticks.
func (a *Aggregator) Scrape(cursor *ScrapeCursor, rows []Row) int {
	return scrape(a, cursor, rows, func(row *Row, c *connection, shown int, _ time.Duration) { *row = a.row(c, shown) })
}

// scrape fills rows with the next connections that have a sample. fill gets the record and
// the index of the sample that is shown.
func scrape[T any](a *Aggregator, cursor *ScrapeCursor, rows []T, fill func(row *T, c *connection, shown int, feedNow time.Duration)) (n int) {
	for end := false; n == 0 && !end; { // few records of a batch may be in use
		a.mu.Lock()
		feedNow, shown, size := a.clock.elapsed, a.samples.shown, a.connections.records.size
		for limit := min(cursor.next+batch, size); n < len(rows) && cursor.next < limit; cursor.next++ {
			if c := a.connections.records.peek(cursor.next); c.sampled[shown].live {
				fill(&rows[n], c, shown, feedNow)
				n++
			}
		}
		end = cursor.next >= size
		a.mu.Unlock()
	}
	return n
}

// row is a connection as it was sampled at one of the latest two ticks.
func (a *Aggregator) row(c *connection, sample int) Row {
	s := &c.sampled[sample]
	return Row{
		Layout:  a.connections.layout,
		Values:  c.values,
		Bytes:   s.bytes,
		Packets: s.packets,
		Gauges:  s.gauges,
	}
}

// ScrapeCaptures appends the captures' statistics to dst as the latest published tick sampled
// them, sorted by id.
func (a *Aggregator) ScrapeCaptures(dst []CaptureRow) []CaptureRow {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.captures.list {
		if c.live[a.samples.shown] {
			dst = append(dst, c.sampled[a.samples.shown])
		}
	}
	slices.SortFunc(dst, func(x, y CaptureRow) int { return strings.Compare(x.CaptureID, y.CaptureID) })
	return dst
}
