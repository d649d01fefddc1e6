// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// What becomes of samples that a receiver refuses for good. They are not sent again, but a
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

// recentMinutes is how long refusals and losses stay in an endpoint's status: as long
// as the window of the alerts on them.
const recentMinutes = 15

// recent sums what was refused and lost in the last minutes. The zero value is ready;
// it may be used from many goroutines.
type recent struct {
	mu      sync.Mutex
	began   time.Time
	minutes [recentMinutes]minute // by their number
}

type minute struct {
	number         int64 // since began
	samples, bytes uint64
}

func (r *recent) add(samples, bytes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		r.began = time.Now()
	}
	n := int64(time.Since(r.began) / time.Minute) // by the monotonic clock
	m := &r.minutes[n%recentMinutes]
	if m.number != n {
		*m = minute{number: n}
	}
	m.samples += samples
	m.bytes += bytes
}

func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.minutes = [recentMinutes]minute{}
}

func (r *recent) sum() (samples, bytes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := int64(time.Since(r.began)/time.Minute) - recentMinutes
	for _, m := range r.minutes {
		if m.number > oldest {
			samples += m.samples
			bytes += m.bytes
		}
	}
	return samples, bytes
}
