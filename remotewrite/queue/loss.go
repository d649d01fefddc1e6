// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

// Loss is what was lost for one reason.
type Loss struct {
	Samples, Stale int64 // stale markers are samples, too
	// Series are counters that ended and whose last value was lost, and Bytes what
	// those of them had counted that count bytes.
	Series int64
	Bytes  uint64
}

// Outcome is what became of ticks that a cursor has not sent as they are.
type Outcome struct {
	Lost map[string]Loss // by reason, one of samples_dropped_total
	// Condensed are the samples that condensing made unnecessary.
	Condensed int64
}

// Outcome returns what has become of ticks since it was last called; so it is counted
// once, and never with the log's lock held.
func (c *Cursor) Outcome() (o Outcome) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	o, c.unclaimed = c.unclaimed, Outcome{}
	return o
}

// count adds to what is lost.
func (c *Cursor) count(reason string, loss Loss) {
	if loss == (Loss{}) {
		return
	}
	if c.unclaimed.Lost == nil {
		c.unclaimed.Lost = make(map[string]Loss)
	}
	sum := c.unclaimed.Lost[reason]
	c.unclaimed.Lost[reason] = Loss{sum.Samples + loss.Samples, sum.Stale + loss.Stale, sum.Series + loss.Series, sum.Bytes + loss.Bytes}
}

// What a cursor does about ticks that it will not send: it counts them, and knows
// what the next tick needs in their place. The cases stand at cursor.

// miss counts ticks that the log does not have any more, up to one that ended at
// end and after.
func (c *Cursor) miss(end totals, after int64) {
	c.lost = max(c.lost, after)
	samples, stale := max(0, end.samples-c.passed.samples), max(0, end.stale-c.passed.stale)
	c.pass(end)
	if samples > 0 {
		c.count(ReasonUnreadable, Loss{Samples: samples, Stale: stale})
	}
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
	c.count(reason, Loss{Samples: int64(samples), Stale: int64(stale)})
}

// lose counts a tick that was dropped before it was taken.
func (c *Cursor) lose(t *Tick, reason string) {
	// Else the tick before had their last values, and was answered.
	if c.lost >= t.After || c.held != nil {
		c.loseEnds(t.Ended, t.EndedBytes, reason)
	}
	c.lost = max(c.lost, t.At)
	c.pending -= int64(t.Samples)
	c.pass(t.end())
	c.count(reason, Loss{Samples: int64(t.Samples), Stale: int64(t.Stale)})
}

// loseEnds counts what ended in ticks that were lost.
func (c *Cursor) loseEnds(series int, bytes uint64, reason string) {
	if series > 0 {
		c.count(reason, Loss{Series: int64(series), Bytes: bytes})
	}
}

// Gap says which counters of a tick need a zero beside their own: those that began
// from From on and before Before. At is the zero's time. All are in ms.
type Gap struct{ From, Before, At int64 }

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
func (c *Cursor) gap(t *Tick) *Gap {
	if c.lost <= c.begun {
		return nil
	}
	return &Gap{From: c.begun, Before: c.lost, At: c.zeroAt(t)}
}

// zeroAt is that time.
func (c *Cursor) zeroAt(t *Tick) int64 {
	if c.log.pushInterval > 0 {
		return max(c.lost, t.At-c.log.pushInterval)
	}
	return c.lost
}

// finalsAt is the time at which what ended in t, the next tick, gets its final
// value once more, 0: it has it. Where the tick before t was lost, so was that
// value. The time is after that of a missing zero.
func (c *Cursor) finalsAt(t *Tick) int64 {
	if c.lost < t.After || t.Ended == 0 || c.step > StepZeros {
		return 0
	}
	if at := c.zeroAt(t) + 1; at < t.At {
		return at
	}
	return 0
}
