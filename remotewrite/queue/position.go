// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import "context"

// Position is a cursor's distance from the log's end.
type Position struct {
	Ticks   int   // held or waiting
	Samples int64 // in them
	Oldest  int64 // time of the first of them, ms
	Newest  int64 // time of the log's last tick, ms; math.MinInt64 before any
}

// Position returns where the cursor is.
func (c *Cursor) Position() Position {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.positionLocked()
}

func (c *Cursor) positionLocked() Position {
	l := c.log
	i := l.index(c.next)
	p := Position{Samples: c.pending, Newest: l.lastAt, Ticks: len(l.ticks) - i}
	if c.held != nil && (i == len(l.ticks) || l.ticks[i].Number > c.held.Number) {
		p.Ticks++ // held, and dropped by the log
	}
	switch {
	case c.held != nil:
		p.Oldest = c.held.At
	case i < len(l.ticks):
		p.Oldest = l.ticks[i].At
	}
	return p
}

// AwaitEnd waits until every tick has been dealt with, or the cursor was closed.
func (c *Cursor) AwaitEnd(ctx context.Context) error {
	l := c.log
	return l.wait(ctx, func() bool { return c.closed || c.held == nil && l.index(c.next) == len(l.ticks) })
}
