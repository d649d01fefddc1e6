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

// atEnd says that every tick has been dealt with. The log's lock is held.
func (c *Cursor) atEnd() bool {
	return c.held == nil && c.log.index(c.next) == len(c.log.ticks)
}

// AwaitEnd waits until every tick has been dealt with, or the endpoint has stopped.
func (c *Cursor) AwaitEnd(ctx context.Context, stopped <-chan struct{}) error {
	for {
		c.log.mu.Lock()
		ended, changed := c.atEnd(), c.log.changed
		c.log.mu.Unlock()
		if ended {
			return nil
		}
		select {
		case <-changed:
		case <-stopped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Ahead returns the ticks from the next on up to the first that is whole. They can
// be read until release is called.
func (c *Cursor) Ahead() (ticks []*Tick, release func()) {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.ticks[l.index(c.next):] {
		if t.gone != "" || t.Broken {
			continue
		}
		ticks = append(ticks, t)
		if t.segment != nil {
			t.segment.refs++
		}
		if !t.Compacted {
			break
		}
	}
	return ticks, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, t := range ticks {
			if t.segment != nil {
				t.segment.release()
			}
		}
	}
}

// Past returns what the cursor knows of the ticks before its next: begun, and the
// hashes that a former process left when it was at the tick resumed, 0: none did.
func (c *Cursor) Past() (begun int64, hashes *Hashes, resumed uint64) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.begun, c.hashes, c.resumed
}
