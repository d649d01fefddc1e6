// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"strings"
)

// ScrapeCursor is a position among connections; the zero value is the beginning. It is for
// one goroutine.
type ScrapeCursor struct{ next uint32 }

// Scrape fills rows with the next connections as the latest published tick sampled them and
// returns how many; 0 is the end. The lock is held for a batch only, so rows of one walk may
// be of two ticks.
func (a *Aggregator) Scrape(cursor *ScrapeCursor, rows []Row) int {
	for {
		if n, end := a.scrapeBatch(cursor, rows); n > 0 || end {
			return n
		}
	}
}

// scrapeBatch is Scrape for one batch of records, of which few may be in use.
func (a *Aggregator) scrapeBatch(cursor *ScrapeCursor, rows []Row) (n int, end bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	size := a.connections.records.size
	shown := a.samples.shown
	for limit := min(cursor.next+batch, size); n < len(rows) && cursor.next < limit; cursor.next++ {
		c := a.connections.records.at(cursor.next)
		if c.sampled[shown].live {
			rows[n] = a.row(c, shown)
			n++
		}
	}
	return n, cursor.next >= size
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
	for _, c := range a.captures.byID {
		if c.live[a.samples.shown] {
			dst = append(dst, c.sampled[a.samples.shown])
		}
	}
	slices.SortFunc(dst, func(x, y CaptureRow) int { return strings.Compare(x.CaptureID, y.CaptureID) })
	return dst
}
