// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import "github.com/skydive-project/skybridge/progress"

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
	id  Hash // of the endpoint
	// What survives the process.
	cursorState
	held *Tick
	// detached: the endpoint was removed, and its goroutine may be about to end. The
	// cursor is none of the log's any more, and takes nothing. closed: it has ended.
	detached, closed bool
	// pending counts samples of ticks that are held or wait.
	pending int64
	// window is how old a tick may be to be sent as it is, ms; 0 is no bound.
	window   int64
	deadline *progress.Deadline // of the endpoint's next step
	// resumed is the tick at which a former process had left the cursor, 0: none had.
	resumed uint64
	// partial is what of the tick next was answered before it had to be condensed.
	partial int64
	// The state when held was taken, but for begun; and the one on disk.
	taken, saved cursorState
	// unclaimed is what outcome has not returned yet.
	unclaimed Outcome
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

// What a cursor does about ticks that it will not send: it counts them, and knows
// what the next tick needs in their place. The cases stand at Cursor.

// count adds to what is lost.
func (o *Outcome) count(reason string, loss Loss) {
	if loss == (Loss{}) {
		return
	}
	if o.Lost == nil {
		o.Lost = make(map[string]Loss)
	}
	sum := o.Lost[reason]
	o.Lost[reason] = Loss{sum.Samples + loss.Samples, sum.Stale + loss.Stale, sum.Series + loss.Series, sum.Bytes + loss.Bytes}
}

// miss counts ticks that the log does not have any more, up to one that ended at
// end and after.
func (c *Cursor) miss(end totals, after int64) {
	c.lost = max(c.lost, after)
	samples, stale := max(0, end.samples-c.passed.samples), max(0, end.stale-c.passed.stale)
	c.pass(end)
	if samples > 0 {
		c.unclaimed.count(ReasonUnreadable, Loss{Samples: samples, Stale: stale})
	}
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
	c.unclaimed.count(reason, Loss{Samples: int64(t.Samples), Stale: int64(t.Stale)})
}

// loseEnds counts what ended in ticks that were lost.
func (c *Cursor) loseEnds(series int, bytes uint64, reason string) {
	if series > 0 {
		c.unclaimed.count(reason, Loss{Series: int64(series), Bytes: bytes})
	}
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

// Steps of a tick that is sent as it is: groups with an answer.
const (
	StepZeros  = 1
	StepFinals = 2 // where there are any
)

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

// skipSums gives up the values of what began in the batch at next, of which a former
// process had sent some, or all, and some more than can be made out of what is left.
func (c *Cursor) skipSums() {
	c.step++
	for _, t := range c.log.ticks[c.log.index(c.next):] {
		if t.Number <= c.condensing {
			c.loseEnds(t.Ended, t.EndedBytes, ReasonUnreadable)
		}
	}
}

// state is what of the cursor survives the process. While a tick is held, it is
// what it was when that was taken: the tick may have to be sent again with all
// that belongs to it.
func (c *Cursor) state() cursorState {
	s := c.cursorState
	if c.held != nil {
		s.lost, s.passed, s.hashes = c.taken.lost, c.taken.passed, c.taken.hashes
	}
	return s
}
