// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"slices"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// Folding is how ticks that cannot be sent still count. Counters are cumulative:
// what lives on says at its next value all that it missed, and only what ended
// would be lost. So of ticks that are too old for the receiver, or of which the
// log has kept no more, the ends are sent, at times that the receiver accepts.
//
// A fold is some ticks in a row, as many as have [foldTarget] ends. It is five
// groups, a millisecond apart:
//
//	the final values of counters that the receiver knew from before, their stale
//	markers, the zeros of those that began in what was skipped, their final
//	values, their stale markers.
//
// A series that ended several times in a fold, having begun in what was skipped,
// is sent the sum. Known ones come first, for the same series may have begun again.
//
// The groups lie before the time of a tick P, after every sample that was sent, and
// at most a push interval before P. P is the first tick that is younger than nine
// tenths of the window by the length of the groups: the edge moves on while an
// endpoint catches up, and requests wait for their answers. All ticks up to P are
// folded, in one fold or several, each of which looks for P anew. P itself is,
// because zeros of its counters may lie before the groups; those of later ticks do
// not, nor do zeros that stand in for lost ones.
//
// A crash in the middle sends the group again that was under way, at the same time,
// and nothing of those before it: cursorState says which one it is. Should its time
// have become too old, this group and those after it get a later one. That counts
// nothing twice: a final value or a stale marker that is sent again at a later
// time adds nothing, and a zero is never sent after a value of its counter. So a
// retry keeps its time as long as the receiver can accept it. But sums that may be
// out must not be followed by others: where some of the fold's ticks are gone by
// then, the values of the rest are given up (skipSums).

const (
	// foldSteps is how many groups a fold has, and foldSums the one with the values of
	// what began in it, counted from 0.
	foldSteps = 5
	foldSums  = 3
	// foldTarget is how many ends a fold has at least, where there are as many: ten
	// requests, so that there is something to send in parallel.
	foldTarget = 10 * wire.MaxBlockSamples
	// foldSpacing stands for a push interval that is not known, ms.
	foldSpacing = 1000
)

// fold is what of some ticks is sent in their place.
type fold struct {
	ticks    []*loggedTick // with ends; those in memory without the rest
	segments []*segment    // of ticks; the cursor has a reference
	end      totals        // of the last tick
	lastAt   int64         // its time
	begun    int64         // the cursor's
	gaveUp   bool
	step     int // groups that a former process got answered
}

// mustFold says whether a tick cannot be sent as it is.
func (c *cursor) mustFold(t *loggedTick) bool {
	return t.thin || c.log.tooOld(t, c.window) ||
		// Something has been sent that is as late as its zeros may be.
		(c.stamp != never && t.after < c.stamp+foldSteps)
}

// plan makes the ticks from index i on a fold, which gets a time. It is false if
// there is no tick yet that is late enough.
func (c *cursor) plan(i int) bool {
	l := c.log
	base, p := c.room(i)
	if p < 0 {
		return false
	}
	ends := 0
	for _, t := range l.ticks[i : p+1] {
		ends += t.ended
	}
	// Where there are too many folds for the time, they are larger.
	folds := int((l.ticks[p].at - base) / foldSteps)
	target := max(l.foldEnds, (ends+folds-1)/folds)
	last := i
	for n := l.ticks[i].ended; last < p && n < target && l.ticks[last+1].seq == l.ticks[last].seq+1 && l.ticks[last+1].gone == ""; {
		last++
		n += l.ticks[last].ended
	}
	c.folding, c.step = l.ticks[last].seq, 0
	c.setStamp(base)
	return true
}

// room finds the tick P for folding ticks from index i on, and the time from
// which on there is room before it. P is below 0 if there is none yet.
func (c *cursor) room(i int) (base int64, p int) {
	l := c.log
	edge, spacing := int64(never), l.pushInterval
	if spacing <= 0 {
		spacing = foldSpacing
	}
	if c.window > 0 {
		edge = max(l.lastAt, l.opened) - c.window + c.window/10
		spacing = min(spacing, c.window/10)
	}
	spacing = max(spacing, foldSteps)
	for p = i; p < len(l.ticks); p++ {
		if p+1 < len(l.ticks) && l.ticks[p+1].thin {
			continue // it cannot be sent as it is either
		}
		at := l.ticks[p].at
		base = max(edge, c.sent+1, at-spacing)
		if at-base >= foldSteps && at >= edge+spacing {
			return base, p
		}
	}
	return 0, -1
}

func (c *cursor) setStamp(base int64) {
	c.stamp, c.sent = base, base+foldSteps-1
}

// holdFold holds the fold that was planned, by this process or the one before.
// The tick next is at index i.
func (c *cursor) holdFold(i int) {
	c.taken = c.state()
	f := &fold{begun: c.begun, step: c.step}
	t := &loggedTick{fold: f, at: c.stamp}
	for _, member := range c.log.ticks[i:] {
		if member.seq > c.folding {
			break
		}
		t.seq, f.end, f.lastAt = member.seq, member.end(), member.at
		t.samples += member.samples
		t.stale += member.stale
		t.ended += member.ended
		t.endedBytes += member.endedBytes
		if member.ended == 0 || member.gone != "" {
			continue
		}
		switch s := member.segment; {
		case s == nil:
			// So that nothing else of it is kept in memory. And other endpoints may fold
			// it too, each with a copy of its own.
			member = member.thinned()
		case !slices.Contains(f.segments, s):
			f.segments = append(f.segments, s)
			s.refs++
		}
		f.ticks = append(f.ticks, member)
	}
	c.held = t
}

// skipSums gives up the values of what began in the fold at next, of which a former
// process had sent some, or all, and some more than can be made out of what is left.
func (c *cursor) skipSums() {
	c.step++
	for _, t := range c.log.ticks[c.log.index(c.next):] {
		if t.seq <= c.folding {
			c.loseEnds(t.ended, t.endedBytes, reasonUnreadable)
		}
	}
}

// restamp gives the rest of the held fold a time that is accepted now.
func (c *cursor) restamp(ctx context.Context) error {
	l := c.log
	return l.wait(ctx, func() bool {
		i := l.index(c.held.seq)
		base, p := c.room(i)
		if p < 0 {
			return false
		}
		c.setStamp(base)
		c.held.at = base
		return true
	})
}

// toFold has the held tick folded, with those after it. What of it was answered
// must not be counted again.
func (c *cursor) toFold(answered int64) {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.broadcast()
	t := c.held
	c.letGo()
	c.step = 0
	if i := l.index(c.next); i == len(l.ticks) || l.ticks[i].seq != t.seq {
		// The log has dropped it meanwhile.
		c.lose(t, reasonLogFull)
		c.goTo(t.seq + 1)
		return
	}
	c.partial = answered
}

// foldedAway counts the ticks of a fold, which has its answers, as skipped.
func (c *cursor) foldedAway(t *loggedTick) {
	c.lost = max(c.lost, t.fold.lastAt)
	c.pass(t.fold.end)
	if !t.fold.gaveUp {
		c.unclaimed.Folded += max(0, int64(t.samples)-c.partial)
	}
}

// setWindow changes how old a tick may be to be sent as it is, ms; 0: no bound.
func (c *cursor) setWindow(window int64) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.window = window
	c.log.broadcast()
}
