// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import "context"

// Outcome returns what has become of ticks since it was last called; so it is counted
// once, and never with the log's lock held.
func (c *Cursor) Outcome() (o Outcome) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	o, c.unclaimed = c.unclaimed, Outcome{}
	return o
}

// GiveUp counts what is left of the held tick as dropped; finish must follow.
// Where a request of it had no answer yet, its samples may have arrived: the
// count is what may be missing.
func (c *Cursor) GiveUp(samples, stale int, reason string) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	t := c.held
	if t.Condensed != nil {
		t.Condensed.gaveUp = true
		c.loseEnds(t.Ended, t.EndedBytes, reason)
	} else {
		if c.finalsAt(t) != 0 {
			c.loseEnds(t.Ended, t.EndedBytes, reason)
		}
		c.lost = max(c.lost, t.At)
	}
	c.unclaimed.count(reason, Loss{Samples: int64(samples), Stale: int64(stale)})
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
	c.closed = true
	l.broadcast()
	if !c.detached && l.store != nil {
		c.cursorState = state
		l.mu.Unlock()
		return
	}
	delete(l.cursors, c)
	l.release()
	l.mu.Unlock()
	l.sweep()
}

// Take waits for the next tick, or for ticks to be condensed, and holds them. Its
// deadline is idle until there is one.
func (c *Cursor) Take(ctx context.Context) (t *Tick, err error) {
	var zerosDone bool
	var gap *Gap
	var finalsAt int64
	c.deadline.Idle()
	err = c.log.wait(ctx, func() bool {
		if t = c.hold(); t == nil {
			return false
		}
		if t.Condensed == nil {
			zerosDone = c.begun >= t.At
			gap, finalsAt = c.gap(t), c.finalsAt(t)
		}
		return true
	})
	c.deadline.Busy()
	if err != nil || t.Condensed != nil {
		return t, err
	}
	loaded, err := c.Load(ctx, t)
	if err != nil {
		return nil, err
	}
	taken := *loaded
	taken.Gap, taken.FinalsAt = gap, finalsAt
	if zerosDone { // by the process before
		for i := range taken.Zeros {
			taken.Samples -= taken.Zeros[i].Samples
		}
		taken.Zeros = nil
	}
	return &taken, nil
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
func (c *Cursor) KeepWhileHeld(hashes Hashes) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.taken.hashes = hashes
}

// KeepNumber has a number kept.
func (c *Cursor) KeepNumber(n uint64) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.number = n
}

// Done lets go of the held tick, whose samples all have their answer or were given
// up, and moves on. The hashes are kept for a process that begins there. Where values
// were refused, what ends at the next tick may lack its last.
func (c *Cursor) Done(hashes Hashes, valuesRefused bool) {
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

// Past is what a cursor knows of the ticks before its next.
type Past struct {
	Begun int64 // what started before that time (ms) began at the receiver
	// What a former process kept when it was at the tick Resumed, 0: none did.
	Resumed uint64
	Hashes  Hashes
	Number  uint64
}

// Past returns what the cursor knows.
func (c *Cursor) Past() Past {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return Past{Begun: c.begun, Resumed: c.resumed, Hashes: c.hashes, Number: c.number}
}

// Condense has the held tick condensed, with those after it. What of it was answered
// must not be counted again.
func (c *Cursor) Condense(answered int64) {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.broadcast()
	t := c.held
	c.release()
	c.step = 0
	if i := l.index(c.next); i == len(l.ticks) || l.ticks[i].Number != t.Number {
		// The log has dropped it meanwhile.
		c.lose(t, ReasonLogFull)
		c.goTo(t.Number + 1)
		return
	}
	c.partial = answered
}
