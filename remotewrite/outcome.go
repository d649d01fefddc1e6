// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"sync/atomic"

	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// What becomes of samples that a receiver refuses. They are not sent again, but a
// counter is cumulative, and what refusals lose of it can be kept small:
//
//   - All zeros of a tick were refused, by answers that are not about samples, as from
//     a wrong URL: the tick is given up. Its counters get another zero with the next
//     one, as after ticks that were dropped; with values but no zero they would lose
//     all that they have counted so far.
//   - Values were refused: what ends at the next tick had its last value among them, or
//     not; it gets that once more (cursor.finalsAt). Where it arrived it adds nothing.
//   - That is refused too: it is lost, and counted by series and bytes.
//   - Some of the zeros were refused, or by an answer after which some may be stored: a
//     second zero after a stored value would count that twice, so there is none. What
//     such a counter holds by its first value is missing from increase(), and no count
//     says how much: the receiver does not tell which zeros it has.

// outcome is what receivers answered to the group under way.
type outcome struct {
	// stored: some of it is stored or may be; refused: some was refused.
	stored, refused atomic.Bool
}

func (o *outcome) reset() {
	o.stored.Store(false)
	o.refused.Store(false)
}

func (o *outcome) refuse(a *client.Answer) {
	o.refused.Store(true)
	if !a.NothingStored() {
		o.stored.Store(true)
	}
}

// refusedWhole says whether all of the group was refused and nothing of it is stored.
func (o *outcome) refusedWhole() bool { return o.refused.Load() && !o.stored.Load() }

// tally counts the samples of a tick that have their final answer; what a repair
// makes is not the tick's own and is not counted.
type tally struct{ samples, stale atomic.Int64 }

func (t *tally) add(count wire.Count) {
	t.samples.Add(int64(count.Samples))
	t.stale.Add(int64(count.Stale))
}
