// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

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
	// Folded are the samples that folding made unnecessary.
	Folded int64
}

// outcome returns what has become of ticks since it was last called; so it is counted
// once, and by nobody who holds the log's lock.
func (c *cursor) outcome() (o Outcome) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	o, c.unclaimed = c.unclaimed, Outcome{}
	return o
}

// count adds to what is lost.
func (c *cursor) count(reason string, loss Loss) {
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
func (c *cursor) miss(end totals, after int64) {
	c.lost = max(c.lost, after)
	samples, stale := max(0, end.samples-c.passed.samples), max(0, end.stale-c.passed.stale)
	c.pass(end)
	if samples > 0 {
		c.count(reasonUnreadable, Loss{Samples: samples, Stale: stale})
	}
}

// giveUp counts what is left of the held tick as dropped; finish must follow.
// Where a request of it had no answer yet, its samples may have arrived: the
// count is what may be missing.
func (c *cursor) giveUp(samples, stale int, reason string) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	t := c.held
	if t.fold != nil {
		t.fold.gaveUp = true
		c.loseEnds(t.ended, t.endedBytes, reason)
	} else {
		if c.finalsAt(t) != 0 {
			c.loseEnds(t.ended, t.endedBytes, reason)
		}
		c.lost = max(c.lost, t.at)
	}
	c.count(reason, Loss{Samples: int64(samples), Stale: int64(stale)})
}

// lose counts a tick that was dropped before it was taken.
func (c *cursor) lose(t *loggedTick, reason string) {
	// Else the tick before had their last values, and was answered.
	if c.lost >= t.after || c.held != nil {
		c.loseEnds(t.ended, t.endedBytes, reason)
	}
	c.lost = max(c.lost, t.at)
	c.pending -= int64(t.samples)
	c.pass(t.end())
	c.count(reason, Loss{Samples: int64(t.samples), Stale: int64(t.stale)})
}

// loseEnds counts what ended in ticks that were lost.
func (c *cursor) loseEnds(series int, bytes uint64, reason string) {
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
func (c *cursor) gap(t *loggedTick) *Gap {
	if c.lost <= c.begun {
		return nil
	}
	return &Gap{From: c.begun, Before: c.lost, At: c.zeroAt(t)}
}

// zeroAt is that time.
func (c *cursor) zeroAt(t *loggedTick) int64 {
	if c.log.pushInterval > 0 {
		return max(c.lost, t.at-c.log.pushInterval)
	}
	return c.lost
}

// finalsAt is the time at which what ended in t, the next tick, gets its final
// value once more, 0: it has it. Where the tick before t was lost, so was that
// value. The time is after that of a missing zero.
func (c *cursor) finalsAt(t *loggedTick) int64 {
	if c.lost < t.after || t.ended == 0 || c.step > stepZeros {
		return 0
	}
	if at := c.zeroAt(t) + 1; at < t.at {
		return at
	}
	return 0
}
