// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"slices"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// Condensing is how ticks that cannot be sent still count. Counters are cumulative:
// what lives on says at its next value all that it missed, and only what ended
// would be lost. So of ticks that are too old for the receiver, or of which the
// log has kept no more, the ends are sent, at times that the receiver accepts.
//
// A batch is some ticks in a row, as many as have [condenseTarget] ends. It is five
// groups, a millisecond apart:
//
//	the final values of counters that the receiver knew from before, their stale
//	markers, the zeros of those that began in what was skipped, their final
//	values, their stale markers.
//
// A series that ended several times in the batch, having begun in what was skipped,
// is sent the sum. Known ones come first, for the same series may have begun again.
//
// The groups lie before the time of a tick P, after every sample that was sent, and
// at most a push interval before P. P is the first tick that is younger than nine
// tenths of the window by the length of the groups: the edge moves on while an
// endpoint catches up, and requests wait for their answers. All ticks up to P are
// condensed, in one batch or several, each of which looks for P again. P itself is,
// because zeros of its counters may lie before the groups; those of later ticks do
// not, nor do zeros that stand in for lost ones.
//
// A crash in the middle sends the group again that was under way, at the same time,
// and nothing of those before it: cursorState says which one it is. Should its time
// have become too old, this group and those after it get a later one. That counts
// nothing twice: a final value or a stale marker that is sent again at a later
// time adds nothing, and a zero is never sent after a value of its counter. So a
// retry keeps its time as long as the receiver can accept it. But sums that may be
// out must not be followed by others: where some of the batch's ticks are gone by
// then, the values of the rest are given up (skipSums).

const (
	// condenseTarget is how many ends the batch has at least, where there are as many: ten
	// requests, so that there is something to send in parallel.
	condenseTarget = 10 * wire.MaxBlockSamples
	// condenseSpacing stands for a push interval that is not known, ms.
	condenseSpacing = 1000
)

// mustCondense says whether a tick cannot be sent as it is.
func (c *Cursor) mustCondense(t *Tick) bool {
	return t.Compacted || c.log.tooOld(t, c.window) ||
		// Something has been sent that is as late as its zeros may be.
		(c.stamp != Never && t.After < c.stamp+CondenseSteps)
}

// plan makes the ticks from index i on a batch, which gets a time. It is false if
// there is no tick yet that is late enough.
func (c *Cursor) plan(i int) bool {
	l := c.log
	base, p := c.room(i)
	if p < 0 {
		return false
	}
	ends := 0
	for _, t := range l.ticks[i : p+1] {
		ends += t.Ended
	}
	// Where there are too many condenses for the time, they are larger.
	condenses := int((l.ticks[p].At - base) / CondenseSteps)
	target := max(l.condenseEnds, (ends+condenses-1)/condenses)
	last := i
	for n := l.ticks[i].Ended; last < p && n < target && l.ticks[last+1].Number == l.ticks[last].Number+1 && l.ticks[last+1].gone == ""; {
		last++
		n += l.ticks[last].Ended
	}
	c.condensing, c.step = l.ticks[last].Number, 0
	c.setStamp(base)
	return true
}

// room finds the tick P for condensing ticks from index i on, and the time from
// which on there is room before it. P is below 0 if there is none yet.
func (c *Cursor) room(i int) (base int64, p int) {
	l := c.log
	edge, spacing := int64(Never), l.pushInterval
	if spacing <= 0 {
		spacing = condenseSpacing
	}
	if c.window > 0 {
		edge = max(l.lastAt, l.opened) - c.window + c.window/10
		spacing = min(spacing, c.window/10)
	}
	spacing = max(spacing, CondenseSteps)
	for p = i; p < len(l.ticks); p++ {
		if p+1 < len(l.ticks) && l.ticks[p+1].Compacted {
			continue // it cannot be sent as it is either
		}
		at := l.ticks[p].At
		base = max(edge, c.sent+1, at-spacing)
		if at-base >= CondenseSteps && at >= edge+spacing {
			return base, p
		}
	}
	return 0, -1
}

func (c *Cursor) setStamp(base int64) {
	c.stamp, c.sent = base, base+CondenseSteps-1
}

// holdCondensed holds the batch that was planned, by this process or the one before.
// The tick next is at index i.
func (c *Cursor) holdCondensed(i int) {
	c.taken = c.state()
	f := &Condensed{Begun: c.begun, Step: c.step}
	t := &Tick{Condensed: f, At: c.stamp}
	for _, member := range c.log.ticks[i:] {
		if member.Number > c.condensing {
			break
		}
		t.Number, f.end, f.lastAt = member.Number, member.end(), member.At
		t.Samples += member.Samples
		t.Stale += member.Stale
		t.Ended += member.Ended
		t.EndedBytes += member.EndedBytes
		if member.Ended == 0 || member.gone != "" {
			continue
		}
		switch s := member.segment; {
		case s == nil:
			// So that nothing else of it is kept in memory. And other endpoints may condensed
			// it too, each with a copy of its own.
			member = member.compacted()
		case !slices.Contains(f.segments, s):
			f.segments = append(f.segments, s)
			s.refs++
		}
		f.Ticks = append(f.Ticks, member)
	}
	c.held = t
}

// Restamp gives the rest of the held condensed a time that is accepted now.
func (c *Cursor) Restamp(ctx context.Context) error {
	l := c.log
	return l.wait(ctx, func() bool {
		i := l.index(c.held.Number)
		base, p := c.room(i)
		if p < 0 {
			return false
		}
		c.setStamp(base)
		c.held.At = base
		return true
	})
}

// passCondensed counts the ticks of the batch, which has its answers, as skipped.
func (c *Cursor) passCondensed(t *Tick) {
	c.lost = max(c.lost, t.Condensed.lastAt)
	c.pass(t.Condensed.end)
	if !t.Condensed.gaveUp {
		c.unclaimed.Condensed += max(0, int64(t.Samples)-c.partial)
	}
}

// SetWindow changes how old a tick may be to be sent as it is, ms; 0: no bound.
func (c *Cursor) SetWindow(window int64) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.window = window
	c.log.broadcast()
}
