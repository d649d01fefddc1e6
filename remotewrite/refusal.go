// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"errors"
	"math"
	"sync/atomic"

	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/queue"
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

// errRefused is why a tick is given up whose zeros were all refused.
var errRefused = errors.New("the receiver refused the first samples of all of its counters: they start again with the next tick, what ends before the receiver accepts is lost")

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

// loseFinals counts the final values in a request that was refused.
func (e *endpoint) loseFinals(req request, count wire.Count) {
	if req.repair != nil && req.repair.as == asValue {
		e.loseEnds(count.Samples, bytesCounted(req), reasonRefused)
	}
}

// loseEnds counts series whose last value is lost, and what they have counted.
func (e *endpoint) loseEnds(series int, bytes uint64, reason string) {
	e.settings.Load().metrics.lost(series, bytes, reason)
	e.recent.add(0, bytes)
}

// bytesCounted sums the byte counters of a request.
func bytesCounted(req request) (sum uint64) {
	data, _, err := req.block.Load(nil)
	var r wire.Reader
	if err != nil || r.Reset(data) != nil {
		return 0 // it was readable when it was sent
	}
	for i := range req.to {
		if ok, err := r.Next(); !ok || err != nil {
			break
		}
		m, err := r.Metric()
		if i >= req.from && err == nil && m.Unit == queue.UnitBytes && r.Start != 0 { // as Tick.End counts
			sum += uint64(max(0, math.Float64frombits(r.Value)))
		}
	}
	return sum
}

// firstSeries names the first series that a request carries, for people:
// name{label="value"}. It is empty where there is none.
func firstSeries(req request) string {
	var r wire.Reader
	data, _, err := req.block.Load(nil)
	if err != nil || r.Reset(data) != nil {
		return ""
	}
	for i := 0; i < req.to; i++ {
		if ok, err := r.Next(); !ok || err != nil {
			return ""
		}
		if i >= req.from && (req.repair == nil || req.repair.covers(r.Start)) {
			return wire.SeriesName(r.Labels())
		}
	}
	return ""
}
