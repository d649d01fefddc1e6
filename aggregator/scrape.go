// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"strings"
)

// ScrapeCursor is a position among connections; the zero value is the
// beginning. It is for one goroutine.
type ScrapeCursor struct{ next uint32 }

// Scrape fills rows with the next connections as the latest tick sampled them
// and returns how many; 0 is the end. The lock is held for one call only, so a
// walk may straddle two ticks; each row is of one.
func (a *Aggregator) Scrape(cursor *ScrapeCursor, rows []Row) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for ; n < len(rows) && cursor.next < a.connections.records.size; cursor.next++ {
		c := a.connections.records.at(cursor.next)
		if c.phase == live || c.phase == closing {
			rows[n] = c.row()
			n++
		}
	}
	return n
}

// row is the connection as it was sampled.
func (c *connection) row() Row {
	return Row{
		Layout:  c.layout,
		Values:  c.values,
		Bytes:   c.sampled.bytes,
		Packets: c.sampled.packets,
		RTT:     c.sampledRTT,
	}
}

// ScrapeCaptures appends the captures' statistics to dst as the latest tick
// sampled them, sorted by id.
func (a *Aggregator) ScrapeCaptures(dst []CaptureRow) []CaptureRow {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.captures.byID {
		if c.phase == live {
			dst = append(dst, c.sampled)
		}
	}
	slices.SortFunc(dst, func(x, y CaptureRow) int { return strings.Compare(x.CaptureID, y.CaptureID) })
	return dst
}
