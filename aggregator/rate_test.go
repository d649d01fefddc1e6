// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// traffic returns the only connection that is not the overflow, and the overflow.
func traffic(w *world) (own, overflow TrafficRow) {
	w.t.Helper()
	rows := make([]TrafficRow, 3)
	cursor := ScrapeCursor{}
	seen := 0
	for n := w.ScrapeTraffic(&cursor, rows); n > 0; n = w.ScrapeTraffic(&cursor, rows) {
		for _, row := range rows[:n] {
			seen++
			if row.Overflow {
				overflow = row
			} else {
				own = row
			}
		}
	}
	if seen == 0 {
		w.t.Fatal("no rows")
	}
	return own, overflow
}

// onePeriodReporter plays flows of one connection, each reported once a minute.
type onePeriodReporter struct {
	w      *world
	totals map[string]int64
}

// report adds bytes from A to B to a flow, and half of them the other way.
func (r *onePeriodReporter) report(uuid string, bytes int64) {
	r.totals[uuid] += bytes
	f := r.w.flow(uuid, r.totals[uuid], r.totals[uuid]/2)
	f.LastUpdate.Start, f.LastUpdate.ABBytes, f.LastUpdate.BABytes = r.w.ms(time.Minute), bytes, bytes/2
	r.w.Update([]input.Flow{f})
}

// TestRate proves that a rate is that of the traffic at every tick between two
// reports, however many flows a connection has and whenever they are reported.
func TestRate(t *testing.T) {
	for _, test := range []struct {
		name  string
		flows map[string]int // and the tick of the minute at which each is reported
		want  float32        // from A to B, in bytes per second
	}{
		{"one flow", map[string]int{"1": 0}, 100},
		{"two flows at once", map[string]int{"1": 1, "2": 1}, 200},
		{"two flows one after the other", map[string]int{"1": 0, "2": 1}, 200},
		{"four flows, one a tick", map[string]int{"1": 0, "2": 1, "3": 2, "4": 3}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := knownWorld(t, Config{})
			r := onePeriodReporter{w, map[string]int64{}}
			for tick := range 5 * 4 {
				for uuid, when := range test.flows {
					if tick%4 == when {
						r.report(uuid, 6000)
					}
				}
				w.tick()
				if tick < 8 { // the first minute knows one report of some
					continue
				}
				if own, _ := traffic(w); own.Rate != [2]float32{test.want, test.want / 2} {
					t.Errorf("tick %d: %v, want %v", tick, own.Rate, test.want)
				}
			}
		})
	}
}

// TestRateOfAnEnd proves that a connection has no rate once its report is overdue,
// and that a new one has one from its first report on.
func TestRateOfAnEnd(t *testing.T) {
	w := knownWorld(t, Config{})
	r := onePeriodReporter{w, map[string]int64{}}
	r.report("1", 6000)
	w.tick()
	if own, _ := traffic(w); own.Rate != [2]float32{100, 50} {
		t.Errorf("after the first report: %v", own.Rate)
	}
	for range 4 {
		w.tick() // the next report is due now
	}
	if own, _ := traffic(w); own.Rate != [2]float32{100, 50} {
		t.Errorf("when the next report is due: %v", own.Rate)
	}
	w.tick()
	w.tick()
	own, _ := traffic(w)
	if own.Rate != [2]float32{} || own.Bytes != [2]uint64{6000, 3000} {
		t.Errorf("long after: %v", own)
	}
	for range 3 { // it ends
		w.tick()
	}
	w.known() // other flows are there
	r.report("1", 12000)
	w.tick()
	if own, _ := traffic(w); own.Rate != [2]float32{200, 100} || own.Bytes != [2]uint64{12000, 6000} {
		t.Errorf("when it has returned: %v", own)
	}
}

// TestTrafficOfTheOverflow proves that what has no series of its own is distinguished from
// what has.
func TestTrafficOfTheOverflow(t *testing.T) {
	w := knownWorld(t, Config{MaxSeries: 4})
	r := onePeriodReporter{w, map[string]int64{}}
	r.report("1", 6000)
	for i := range 3 {
		f := w.flow("f"+string(rune('0'+i)), 600, 0)
		f.TransportA += int64(i + 1)
		w.Update([]input.Flow{f})
	}
	w.tick()
	own, overflow := traffic(w)
	if own.Bytes[0] != 6000 || !overflow.Overflow || overflow.Bytes[0] != 1800 || overflow.Rate[0] != 30 {
		t.Errorf("%+v\n%+v", own, overflow)
	}
}
