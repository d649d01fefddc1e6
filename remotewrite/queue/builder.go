// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"fmt"
	"math"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TickBuilder collects what is sampled at one moment. It comes from [Log.Begin] and
// goes to [Log.Append], after which it must not be touched: its buffers serve
// later ticks. One goroutine uses it at a time.
//
// No two samples of one series may be given to one group (the zeros; values and
// stale markers): that is what lets the requests of a group go out in parallel.
type TickBuilder struct {
	at int64
	// after is the time of the tick before, or math.MinInt64.
	after    int64
	external []wire.Label
	set      wire.LabelSet
	zeros    wire.Builder
	values   wire.Builder
	ends     wire.Builder
	// endedBytes sums what byte counters that end have counted.
	endedBytes uint64
	// unread: there is no cursor to read the tick, so nothing is encoded.
	unread bool
	err    error
}

// Labels sets the labels of the samples that follow, none at first: sorted by name, no name
// twice, without __name__, names and values valid UTF-8. Labels with an empty
// value are left out. External labels are added where labels does not have them.
// The slice is not retained, its strings are until their block is full.
func (t *TickBuilder) Labels(labels []wire.Label) {
	if !t.unread {
		t.set.Set(labels, t.external)
	}
}

// LabelValues is Labels for labels that are given as names and values.
func (t *TickBuilder) LabelValues(names, values []string) {
	if !t.unread {
		t.set.SetValues(names, values, t.external)
	}
}

// Zero gives the value 0 at time at (ms), with which a counter begins. It must
// not lie before the previous tick and must lie before this one.
func (t *TickBuilder) Zero(m *wire.Metric, at int64) {
	if at < t.after || at >= t.at {
		t.fail("zero of %s at %d ms, outside of [%d, %d)", m.Name, at, t.after, t.at)
	}
	t.add(&t.zeros, m, 0, at, at)
}

// Value gives a series' value at the tick's time. start is the time of the zero
// that the counter began with, in ms and before the tick; 0 for gauges, and for
// counters whose beginning is unknown.
func (t *TickBuilder) Value(m *wire.Metric, start int64, v float64) {
	if start >= t.at {
		t.fail("value of %s started at %d ms, not before its tick at %d", m.Name, start, t.at)
	}
	t.add(&t.values, m, math.Float64bits(v), t.at, start)
}

// Stale gives a stale marker at the tick's time: the series ended after its
// last value, in an earlier tick. It is for gauges; counters have End.
func (t *TickBuilder) Stale(m *wire.Metric) {
	t.add(&t.values, m, wire.StaleMarker, t.at, 0)
}

// UnitBytes is the unit of counters that count traffic.
const UnitBytes = "bytes"

// End gives a counter's stale marker. start and final are those of its last
// value: an endpoint that was not sent that one gets it from here (condense.go).
func (t *TickBuilder) End(m *wire.Metric, start int64, final float64) {
	if start >= t.at {
		t.fail("end of %s started at %d ms, not before its tick at %d", m.Name, start, t.at)
	}
	t.Stale(m)
	t.add(&t.ends, m, math.Float64bits(final), t.at, start)
	// What was counted before anybody looked is not for us to lose.
	if m.Unit == UnitBytes && start != 0 && !t.unread {
		t.endedBytes += uint64(max(0, final))
	}
}

func (t *TickBuilder) add(g *wire.Builder, m *wire.Metric, value uint64, at, start int64) {
	if !t.unread {
		g.Add(&t.set, m, wire.Sample{Value: value, At: at, Start: start})
	}
}

// fail remembers the first thing that makes the tick unfit to be sent.
func (t *TickBuilder) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// seal ends the building of the tick.
func (t *TickBuilder) seal() *Tick {
	lt := &Tick{At: t.at, Zeros: InMemory(t.zeros.Take()), Values: InMemory(t.values.Take()), Ends: InMemory(t.ends.Take()), EndedBytes: t.endedBytes, bytes: tickOverhead}
	for _, group := range [][]Block{lt.Zeros, lt.Values} {
		for i := range group {
			lt.Samples += group[i].Samples
			lt.Stale += group[i].Stale
			lt.bytes += int64(len(group[i].Data)) + tickOverhead
		}
	}
	for i := range lt.Ends {
		lt.Ended += lt.Ends[i].Samples
		lt.bytes += int64(len(lt.Ends[i].Data)) + tickOverhead
	}
	if t.err != nil {
		lt.Zeros, lt.Values, lt.Ends, lt.bytes, lt.Broken = nil, nil, nil, tickOverhead, true
		lt.Ended, lt.EndedBytes = 0, 0
	}
	return lt
}
