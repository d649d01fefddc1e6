// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"math"
)

// Never is the time in ms of what has not been.
const Never = math.MinInt64

// Tick is a tick in the log. It is immutable, so a cursor may hold it
// after the log has let go of it.
type Tick struct {
	Number uint64
	At     int64 // ms
	// after is the time of the tick before, which tells what a cursor has missed
	// that finds a later tick than it expects, and before what that tick and all
	// before it held.
	After  int64
	before totals
	// The two groups; see the package comment.
	Zeros, Values []Block
	// ends are the final values of the counters whose stale markers are among
	// values: what is left to say of the tick when it is condensed. ended is how many
	// they are, endedBytes what those counted that count bytes.
	Ends       []Block
	Ended      int
	EndedBytes uint64

	Samples, Stale int
	bytes          int64

	// segment is where the tick is on disk, at offset; its groups are empty then,
	// until it is loaded. Nil: in memory.
	segment *segment
	offset  int64
	// gone is why nothing but this is left of the tick, a reason of
	// samples_dropped_total.
	gone string

	// Only a tick that a cursor took has these. Gap describes the zeros that its counters
	// need beside their own, nil: none (cursor.gap). FinalsAt, where not 0, is when what
	// ended in it gets its final value once more (cursor.finalsAt).
	Gap      *Gap
	FinalsAt int64
	// condensed: this is no tick, but several that are condensed (condense.go).
	Condensed *Condensed
	// compacted: only its ends are left, the log was full.
	Compacted bool

	// broken: what it holds must not be sent. It stays in the sequence so that
	// each cursor meets it in its turn and counts and repairs the loss.
	Broken bool
}

// Gap says which counters of a tick need a zero beside their own: those that began
// from From on and before Before. At is the zero's time. All are in ms.
type Gap struct{ From, Before, At int64 }

// totals counts samples, and the stale markers among them.
type totals struct{ samples, stale int64 }

// end is what the tick and all before it held.
func (t *Tick) end() totals {
	return totals{t.before.samples + int64(t.Samples), t.before.stale + int64(t.Stale)}
}

// bare returns a copy without the groups.
func (t *Tick) bare() *Tick {
	c := *t
	c.Zeros, c.Values, c.Ends = nil, nil, nil
	return &c
}

// groups are all blocks of the tick, in the order of the file.
func (t *Tick) groups() [3][]Block { return [3][]Block{t.Zeros, t.Values, t.Ends} }

// tickOverhead stands for a block's and a tick's own fields in the log's bytes.
const tickOverhead = 128

const (
	// CondenseSteps is how many groups the batch has.
	CondenseSteps = 5
	// CondenseSums is the group with the values of what began in the batch, counted from 0.
	CondenseSums = 3
)

// Condensed is what of some ticks is sent in their place.
type Condensed struct {
	Ticks    []*Tick    // with ends; those in memory without the rest
	segments []*segment // of ticks; the cursor has a reference
	end      totals     // of the last tick
	lastAt   int64      // its time
	Begun    int64      // the cursor's
	gaveUp   bool
	Step     int // groups that a former process got answered
}

// compacted returns a copy of a tick in memory with its ends alone.
func (t *Tick) compacted() *Tick {
	c := *t
	c.Zeros, c.Values, c.Compacted, c.bytes = nil, nil, true, tickOverhead
	for i := range c.Ends {
		c.bytes += int64(len(c.Ends[i].Data)) + tickOverhead
	}
	return &c
}
