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

// What a cursor does about ticks that it will not send: it counts them, and knows
// what the next tick needs in their place. The cases stand at cursor.

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
