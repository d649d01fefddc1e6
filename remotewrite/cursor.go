// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"math"
)

// cursor is one endpoint's place in the log. The log's lock guards its fields.
//
// A cursor takes a tick, holds it until every sample of it has its final answer,
// and goes on. What it holds is not taken from it by the log's bounds: the tick
// may be half sent, and a request of unknown fate must be answered or given up
// before anything newer of its series goes out. Only when the tick has become
// too old for any receiver is it given up.
//
// What the bounds drop is lost as samples, but a counter is cumulative: its next
// value says it all, provided that the receiver knows where the counter began.
// So a cursor remembers two times and, from them, which counters need a zero in
// place of one that was dropped (gap). The cases:
//
//   - A counter's beginning was dropped: it gets a zero at the next tick.
//   - Its end was dropped and it began again: the same, for the new beginning
//     was dropped too, or lies in the next tick, with its own zero.
//   - Its end was dropped and it never returned: no stale marker is made up for
//     it. Its last value stands for the receiver's lookback (5 minutes), then
//     the series ends by itself. Counted in stale_markers_dropped.
//   - Beginning and end were both dropped: what it counted is lost.
//   - A tick is given up before all of its zeros were answered: no value of it
//     has been sent, so counting from a later zero is right whether or not the
//     first one arrived.
//   - A tick is given up among its values: all zeros of it were answered, so
//     nothing that began in it needs one, and a second zero, after a value that
//     did arrive, would count that value twice.
//
// On a durable log, a cursor survives its process as cursorState: commit writes
// it. What was dropped behind a tick that is held is not part of it: after a
// restart it is there again, or is missed and counted then.
type cursor struct {
	log *Log
	// id identifies the endpoint on disk; named: there is one.
	id    identityHash
	named bool
	// next is the number of the tick that is held, or else to be taken next.
	next uint64
	held *loggedTick
	// pending counts samples of ticks that are held or wait.
	pending int64
	// passed is what all ticks held that were dealt with, up to here; what a cursor
	// misses on disk is counted by it.
	passed tallied
	// begun is the time of the last tick whose zeros all have their answer:
	// what started before it began at the receiver.
	begun int64
	// lost is the time of the last tick that was dropped or given up.
	lost int64
	// The state when held was taken, but for begun; and the one on disk.
	taken, saved cursorState
	// dropped is told what is lost, under the log's lock; a parked cursor keeps it.
	dropped func(samples, stale int, reason string)
	untold  []loss
}

// newCursor adds a cursor at the log's end. The counters that run get no zero:
// to an endpoint that comes late their totals begin with the first sample.
func (l *Log) newCursor(dropped func(samples, stale int, reason string)) *cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addCursor(dropped)
}

func (l *Log) addCursor(dropped func(samples, stale int, reason string)) *cursor {
	c := &cursor{log: l, next: l.next, passed: l.total, begun: l.lastAt, lost: math.MinInt64, dropped: dropped}
	l.cursors[c] = struct{}{}
	return c
}

// close removes the cursor and lets go of what only it needed.
func (c *cursor) close() {
	c.log.mu.Lock()
	c.letGo()
	delete(c.log.cursors, c)
	c.log.release()
	c.log.broadcast()
	c.log.mu.Unlock()
	c.log.sweep()
}

// letGo ends the holding of a tick.
func (c *cursor) letGo() {
	if c.held != nil && c.held.segment != nil {
		c.held.segment.letGo()
	}
	c.held = nil
}

// take waits for the next tick and holds it. Missing describes the zeros that
// the tick's counters need beside their own, nil: none.
func (c *cursor) take(ctx context.Context) (t *loggedTick, missing *repair, err error) {
	l := c.log
	var zerosDone bool
	err = l.wait(ctx, func() bool {
		if t = c.hold(); t == nil {
			return false
		}
		zerosDone = c.begun >= t.at
		missing = c.gap(t)
		return true
	})
	if err != nil {
		return nil, nil, err
	}
	if t.segment != nil {
		if t, err = l.load(ctx, t); err != nil {
			return nil, nil, err
		}
	}
	if zerosDone { // by the process before
		t = t.valuesOnly()
	}
	return t, missing, nil
}

// hold finds the next tick that can be sent, and holds it; nil: there is none
// yet. What lies before it and cannot be sent is counted.
func (c *cursor) hold() *loggedTick {
	l, first := c.log, c.next
	for c.held == nil && c.next < l.next {
		i := l.index(c.next)
		switch {
		case i == len(l.ticks):
			c.miss(l.total, l.lastAt)
			c.next = l.next
		case l.ticks[i].seq > c.next:
			c.miss(l.ticks[i].before, l.ticks[i].after)
			c.next = l.ticks[i].seq
		case l.ticks[i].gone != "":
			c.lose(l.ticks[i], l.ticks[i].gone)
			c.next++
		case l.tooOld(l.ticks[i], l.backlogWindow):
			c.lose(l.ticks[i], reasonTooOld)
			c.next++
		default:
			t := l.ticks[i]
			c.taken = cursorState{next: c.next, lost: c.lost, passed: c.passed}
			c.held = t
			if t.segment != nil {
				t.segment.refs++
			}
		}
	}
	if c.next > first {
		l.release()
		l.broadcast()
	}
	return c.held
}

// miss counts ticks that the log does not have any more, up to one that ended at
// end and after.
func (c *cursor) miss(end tallied, after int64) {
	c.lost = max(c.lost, after)
	samples, stale := max(0, end.samples-c.passed.samples), max(0, end.stale-c.passed.stale)
	c.pass(end)
	if samples > 0 {
		c.dropped(int(samples), int(stale), reasonUnreadable)
	}
}

func (c *cursor) pass(end tallied) {
	c.passed.samples, c.passed.stale = max(c.passed.samples, end.samples), max(c.passed.stale, end.stale)
}

// gap says which counters of t, the next tick, began in ticks that were lost:
// those whose start is at or after begun (a counter's zero is never earlier than
// the tick before its first value) and before lost (a start at lost or later has
// its zero in t).
//
// Their zero's time is that of the last lost tick, which is the tick before t,
// or a push interval before t where that is later. No sample of theirs can stand
// there or later: the last lost tick was not sent, or only zeros of it were, and
// zeros lie before their tick. And it is as near to their first value as any
// counter's zero is, so rate() over any range that usually works sees it.
func (c *cursor) gap(t *loggedTick) *repair {
	if c.lost <= c.begun {
		return nil
	}
	at := c.lost
	if c.log.pushInterval > 0 {
		at = max(at, t.at-c.log.pushInterval)
	}
	return &repair{from: c.begun, before: c.lost, at: at}
}

// zerosDone records that the zeros of the held tick all have their answer.
func (c *cursor) zerosDone() {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.begun = c.held.at
}

// finish lets go of the held tick, whose samples all have their answer or were
// given up, and moves on.
func (c *cursor) finish() {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	t := c.held
	c.letGo()
	c.pending -= int64(t.samples)
	c.pass(t.end())
	c.next = t.seq + 1
	l.release()
	l.broadcast()
}

// giveUp counts what is left of the held tick as dropped; finish must follow.
// Where a request of it had no answer yet, its samples may have arrived: the
// count is what may be missing.
func (c *cursor) giveUp(samples, stale int, reason string) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.lost = max(c.lost, c.held.at)
	c.dropped(samples, stale, reason)
}

// lose counts a tick that was dropped before it was taken.
func (c *cursor) lose(t *loggedTick, reason string) {
	c.lost = max(c.lost, t.at)
	c.pending -= int64(t.samples)
	c.pass(t.end())
	c.dropped(t.samples, t.stale, reason)
}

// expired says whether the held tick has become too old to be accepted.
func (c *cursor) expired(t *loggedTick) bool {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.log.tooOld(t, c.log.backlogWindow) || c.log.tooOld(t, c.log.maxAge)
}

// place is a cursor's distance from the log's end.
type place struct {
	ticks   int   // held or waiting
	samples int64 // in them
	newest  int64 // time of the log's last tick, ms; math.MinInt64 before any
}

func (c *cursor) place() place {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.placeLocked()
}

func (c *cursor) placeLocked() place {
	l := c.log
	i := l.index(c.next)
	p := place{samples: c.pending, newest: l.lastAt, ticks: len(l.ticks) - i}
	if c.held != nil && (i == len(l.ticks) || l.ticks[i].seq != c.held.seq) {
		p.ticks++ // held, and dropped by the log
	}
	return p
}

// atEnd says that every tick has been dealt with. Call it under the log's lock.
func (c *cursor) atEnd() bool {
	return c.held == nil && c.log.index(c.next) == len(c.log.ticks)
}
