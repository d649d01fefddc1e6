// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"time"
)

// Cursor is one endpoint's place in the log. The log's lock guards its fields.
//
// A cursor takes a tick, holds it until every sample of it has its final answer,
// and continues. What it holds is not taken from it by the log's bounds: the tick
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
//     was dropped too, or is in the next tick, with its own zero.
//   - Its end was dropped and it never returned: no stale marker is made up for
//     it. Its last value stands for the receiver's lookback (5 minutes), then
//     the series ends by itself. Counted in stale_markers_dropped.
//   - Beginning and end were both dropped: what it counted is lost, but for an end
//     in the next tick, which says what came before (finalsAt).
//   - A tick is given up before all of its zeros were answered: no value of it
//     has been sent, so counting from a later zero is right whether or not the
//     first one arrived.
//   - A tick is given up among its values: all zeros of it were answered, so
//     nothing that began in it needs one, and a second zero, after a value that
//     did arrive, would count that value twice.
//
// What is too old to be sent, or of which only the ends are left, is condensed
// instead: see condense.go.
//
// On a durable log, a cursor survives its process as cursorState: commit writes
// it. What was dropped behind a tick that is held is not part of it: after a
// restart it is there again, or is missed and counted then.
type Cursor struct {
	log *Log
	// id identifies the endpoint on disk; named: there is one.
	id    Hash
	named bool
	// next is the number of the tick that is held, or else to be taken next.
	next uint64
	held *Tick
	// detached: the endpoint was removed, and its goroutine may be about to end. The
	// cursor is none of the log's any more, and takes nothing.
	detached bool
	// pending counts samples of ticks that are held or wait.
	pending int64
	// passed is what all ticks held that were dealt with, up to here; what a cursor
	// misses on disk is counted by it.
	passed totals
	// begun is the time of the last tick whose zeros all have their answer:
	// what started before it began at the receiver.
	begun int64
	// lost is the time of the last tick that was dropped, given up or condensed.
	lost int64
	// window is how old a tick may be to be sent as it is, ms; 0 is no bound.
	window int64
	// sent is the latest time of any sample that may have been sent.
	sent int64
	// OnWait is called with how long a pause while the disk is read again will take; not guarded.
	OnWait func(time.Duration)
	// step is how many groups of what is held, or was by the process before, have
	// their answer.
	step int
	// condensing is the last tick of the batch that begins at next, 0: there is none;
	// stamp is the time of the first group of that batch, or of the last one.
	condensing uint64
	stamp      int64
	// doubt: of ticks before that number it is not known which ones were sent.
	doubt uint64
	// hashes are what the endpoint keeps here for a process that begins with next, or
	// with what is held, before its taking; resumed is the tick at which a former process
	// had left the cursor, 0: none had.
	hashes  *Hashes
	resumed uint64
	// number is another thing that the endpoint keeps here.
	Number uint64
	// partial is what of the tick next was answered before it had to be condensed.
	partial int64
	// The state when held was taken, but for begun; and the one on disk.
	taken, saved cursorState
	// unclaimed is what outcome has not returned yet.
	unclaimed Outcome
}

// addCursor adds a cursor at the log's end. The counters that run get no zero: to an
// endpoint that comes late their totals begin with the first sample.
func (l *Log) addCursor() *Cursor {
	c := &Cursor{log: l, next: l.next, passed: l.total, begun: l.lastAt, lost: Never, sent: l.lastAt, stamp: Never, OnWait: func(time.Duration) {}}
	l.cursors[c] = struct{}{}
	return c
}

// Detach takes the cursor out of the log while its endpoint still runs, and returns
// where it was. What it holds can be read until close.
func (c *Cursor) Detach() Position {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	p := c.positionLocked()
	c.detached = true
	delete(l.cursors, c)
	l.release()
	l.broadcast()
	return p
}

// Close says that the endpoint has ended. Where it was removed, and in a log in
// memory, what it held is let go of; else the cursor stays where it is, for the next
// process.
func (c *Cursor) Close() {
	l := c.log
	l.mu.Lock()
	state := c.state()
	c.release()
	if !c.detached && l.store != nil && c.named {
		c.lost, c.passed, c.hashes = state.lost, state.passed, state.hashes
		l.mu.Unlock()
		return
	}
	delete(l.cursors, c)
	l.release()
	l.broadcast()
	l.mu.Unlock()
	l.sweep()
}

// release ends the holding of a tick.
func (c *Cursor) release() {
	switch {
	case c.held == nil:
	case c.held.Condensed != nil:
		for _, s := range c.held.Condensed.segments {
			s.release()
		}
	case c.held.segment != nil:
		c.held.segment.release()
	}
	c.held = nil
}

// Await waits until there is something to take.
func (c *Cursor) Await(ctx context.Context) error {
	return c.log.wait(ctx, func() bool { return c.hold() != nil })
}

// Take waits for the next tick, or for ticks to be condensed, and holds them. Missing
// describes the zeros that the tick's counters need beside their own, nil: none.
func (c *Cursor) Take(ctx context.Context) (t *Tick, missing *Gap, err error) {
	l := c.log
	var zerosDone bool
	var finalsAt int64
	err = l.wait(ctx, func() bool {
		if t = c.hold(); t == nil {
			return false
		}
		if t.Condensed == nil {
			zerosDone = c.begun >= t.At
			missing, finalsAt = c.gap(t), c.finalsAt(t)
		}
		return true
	})
	if err != nil || t.Condensed != nil {
		return t, nil, err
	}
	if t, err = c.Load(ctx, t); err != nil {
		return nil, nil, err
	}
	if zerosDone { // by the process before
		t = t.valuesOnly()
	}
	if finalsAt != 0 {
		loaded := *t
		loaded.FinalsAt = finalsAt
		t = &loaded
	}
	return t, missing, nil
}

// hold finds the next tick that can be sent, and holds it; nil: there is none
// yet. What lies before it and cannot be sent is counted.
func (c *Cursor) hold() *Tick {
	l, first := c.log, c.next
waiting:
	for c.held == nil && c.next < l.next && !c.detached {
		i := l.index(c.next)
		switch {
		case i == len(l.ticks):
			c.miss(l.total, l.lastAt)
			c.goTo(l.next)
		case l.ticks[i].Number > c.next:
			c.miss(l.ticks[i].before, l.ticks[i].After)
			c.goTo(l.ticks[i].Number)
		case l.ticks[i].gone != "":
			c.lose(l.ticks[i], l.ticks[i].gone)
			c.goTo(c.next + 1)
		case c.condensing != 0:
			c.holdCondensed(i)
		case c.mustCondense(l.ticks[i]) && c.next < c.doubt:
			// To condense what was sent would count it twice; and what began there may
			// have its zero.
			t := l.ticks[i]
			c.lose(t, ReasonTooOld)
			c.begun = max(c.begun, t.At)
			c.goTo(c.next + 1)
		case c.mustCondense(l.ticks[i]):
			if !c.plan(i) {
				break waiting
			}
			c.holdCondensed(i)
		default:
			t := l.ticks[i]
			c.taken = c.state()
			c.held, c.sent = t, max(c.sent, t.At)
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

// goTo moves on to the tick number next. Where that is in the midst of the batch, what
// the batch had before it is gone.
func (c *Cursor) goTo(next uint64) {
	c.next = next
	switch {
	case c.condensing < next:
		c.condensing, c.step, c.partial = 0, 0, 0
	case c.step == CondenseSums:
		c.skipSums()
	}
}

func (c *Cursor) pass(end totals) {
	c.passed.samples, c.passed.stale = max(c.passed.samples, end.samples), max(c.passed.stale, end.stale)
}

// Steps of a tick that is sent as it is: groups with an answer.
const (
	StepZeros  = 1
	StepFinals = 2 // where there are any
)

// Answered records that so many groups of what is held have their answer.
func (c *Cursor) Answered(step int) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.step = max(c.step, step)
	if c.held.Condensed == nil {
		c.begun = c.held.At // its zeros come first
	}
}

// KeepWhileHeld has them kept for one that begins with it.
func (c *Cursor) KeepWhileHeld(hashes *Hashes) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.taken.hashes = hashes
}

// KeepNumber has a number kept.
func (c *Cursor) KeepNumber(n uint64) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.Number = n
}

// Done lets go of the held tick, whose samples all have their answer or were given
// up, and moves on. The hashes are kept for a process that begins there. Where values
// were refused, what ends at the next tick may lack its last.
func (c *Cursor) Done(hashes *Hashes, valuesRefused bool) {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	t := c.held
	c.hashes = hashes
	if valuesRefused {
		c.lost = max(c.lost, t.At)
	}
	c.release()
	c.pending -= int64(t.Samples)
	if t.Condensed != nil {
		c.passCondensed(t)
	} else {
		c.pass(t.end())
	}
	c.goTo(t.Number + 1)
	l.release()
	l.broadcast()
}

// Expired says whether the held tick, or group of the batch, has become too old to be
// accepted, and whether it is too old for the log as well.
func (c *Cursor) Expired(t *Tick) (toSend, toKeep bool) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.log.tooOld(t, c.window), t.Condensed == nil && c.log.tooOld(t, c.log.maxAge)
}
