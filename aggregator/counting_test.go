// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

const (
	abBytes = "bytes{direction=initiator_to_target"
	baBytes = "bytes{direction=target_to_initiator"
)

func TestFirstSight(t *testing.T) {
	const minute = time.Minute
	update := func(bytes int64) func(*world, *input.Flow) {
		return func(_ *world, f *input.Flow) { f.LastUpdate.ABBytes = bytes }
	}
	evicted := func(w *world) { // a flow of 800 bytes
		w.known()
		w.Update([]input.Flow{w.flow("1", 800, 0)})
		w.pass(31 * minute)
		w.tickNow()
	}
	tests := []struct {
		name  string
		setup func(w *world)
		flow  func(w *world, f *input.Flow) // changes a first update of 1000 and 500 bytes
		want  uint64                        // bytes from A to B
	}{
		{"the first record ever sets the epoch and counts its update", nil, update(300), 300},
		{"a flow that began after the epoch counts whole", (*world).known, update(300), 1000},
		{"a flow that began before the epoch counts its update", (*world).known,
			func(w *world, f *input.Flow) { f.Start, f.LastUpdate.ABBytes = w.ms(5*minute), 300 }, 300},
		{"an update that ended before the epoch is history", (*world).known,
			func(w *world, f *input.Flow) {
				f.Start, f.LastUpdate.Last, f.LastUpdate.ABBytes = w.ms(5*minute), w.ms(3*minute), 900
			}, 0},
		{"an end record before there is an epoch counts nothing", nil, func(_ *world, f *input.Flow) { f.FinishType = 1 }, 0},
		{"no epoch from a record without LastUpdateMetric", nil, func(_ *world, f *input.Flow) { f.HasLastUpdate = false }, 0},
		{"no epoch from a LastUpdateMetric without times", nil, func(_ *world, f *input.Flow) { f.LastUpdate.Last = 0 }, 0},
		{"FinishType 2 and 3 do not end a flow", nil, func(_ *world, f *input.Flow) { f.FinishType = 2 }, 1000},
		{"a negative field of the update counts 0", nil, update(-7), 0},
		{"an update larger than the whole counts the whole", nil, update(5000), 1000},
		{"an evicted flow that comes back counts what came since", evicted,
			func(w *world, f *input.Flow) { f.Start, f.LastUpdate.ABBytes = w.ms(32*minute), 200 }, 800 + 200},
		{"an evicted flow's update that was counted already does not count again", evicted,
			func(w *world, f *input.Flow) {
				f.Start, f.LastUpdate.Last, f.LastUpdate.ABBytes = w.ms(32*minute), w.ms(31*minute), 600
			}, 800},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			if test.setup != nil {
				test.setup(w)
			}
			f := w.flow("1", 1000, 500)
			test.flow(w, &f)
			w.count(f)
			w.want(abBytes, test.want)
		})
	}
}

func TestCumulativeUpdates(t *testing.T) {
	w := knownWorld(t, Config{})
	// 700 is late, after 900; the end record repeats the last update.
	for _, total := range []int64{300, 900, 700, 900, 1500} {
		f := w.flow("1", total, total*2)
		w.count(f)
	}
	end := w.flow("1", 1500, 3000)
	end.FinishType = 1
	after := w.flow("1", 1600, 3000) // records can arrive after an end record
	w.count(end, after)
	if ab, ba := w.total(abBytes), w.total(baBytes); ab != 1600 || ba != 3000 {
		t.Errorf("counted %d and %d bytes, want 1600 and 3000\n%s", ab, ba, w.receiver)
	}
	w.wantMetric("skybridge_stale_updates_total", "", 1)
}

func TestTwoCapturesOfOneUUIDAreTwoBaselines(t *testing.T) {
	w := knownWorld(t, Config{})
	a, b := w.flow("1", 1000, 0), w.flow("1", 400, 0)
	b.CaptureID, b.NodeTID = []byte("c2"), []byte("n2")
	w.count(a, b)
	w.want(abBytes, 1400)
}

func TestRTT(t *testing.T) {
	w := knownWorld(t, Config{})
	update := func(total, rtt int64) {
		f := w.flow("1", total, 0)
		f.Metric.RTT = rtt
		w.count(f)
	}
	update(100, 0)
	for name := range w.receiver.series {
		if strings.HasPrefix(name, "rtt") {
			t.Fatalf("%s exists before there is a round-trip time", name)
		}
	}
	update(200, 47000)
	update(150, 1) // late
	update(300, 0) // not known this time
	update(300, 52000)
	for name, samples := range w.receiver.series {
		if !strings.HasPrefix(name, "rtt") {
			continue
		}
		if !strings.Contains(name, label.InitiatorToTarget) {
			t.Errorf("%s: want it from initiator to target", name)
		}
		var got []uint64
		for _, s := range samples {
			got = append(got, s.value)
		}
		if want := []uint64{47000, 47000, 47000, 52000}; len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	w.wantMetric("skybridge_series", "", 5)
}

// TestZerosOfSlowTicks proves that counters begin while every second tick is passed over,
// and at a tick out of turn after that, with their zeros on the grid.
func TestZerosOfSlowTicks(t *testing.T) {
	w := knownWorld(t, Config{})
	for i, late := range []time.Duration{0, testInterval, testInterval, testInterval + time.Second} {
		f := w.flow(fmt.Sprint(i), 1000, 0)
		f.TransportA = int64(40000 + i)
		w.Update([]input.Flow{f})
		w.pass(testInterval + late)
		w.tickNow()
		samples := w.receiver.series[fmt.Sprintf("bytes{direction=initiator_to_target,initiator_ip=10.0.0.1,initiator_port=%d,node_tid=n1,protocol=TCP,target_ip=10.0.0.2,target_port=80}", f.TransportA)]
		grid := (w.receiver.at - 1) / testInterval.Milliseconds() * testInterval.Milliseconds()
		want := []sample{{at: grid}, {at: w.receiver.at, value: 1000}}
		if diff := cmp.Diff(want, samples, cmp.AllowUnexported(sample{})); diff != "" {
			t.Errorf("%s late (-want +got):\n%s", late, diff)
		}
	}
}

func TestIdleConnectionEnds(t *testing.T) {
	w := newWorld(t, Config{ConnectionTimeout: time.Minute})
	w.known() // its LastUpdateMetric covers 10 s: that is the period
	w.Update([]input.Flow{w.flow("1", 1000, 0)})
	var name string
	for range 5 { // 75 s: due after 10 s, a minute's grace passed at 70 s
		w.tick()
	}
	for n := range w.receiver.series {
		if strings.HasPrefix(n, abBytes) {
			name = n
		}
	}
	s := w.receiver.series[name]
	if last := s[len(s)-1]; !last.stale {
		t.Fatalf("no stale marker after 75 s: %v", s)
	}
	if n := len(s); n != 6 || !s[n-1].stale || s[n-2].stale { // zero, 4 values, marker
		t.Fatalf("%v: want a zero, 4 values and a stale marker", s)
	}
	w.wantMetric("skybridge_series", "", 4) // they count until the connection is removed

	// It returns at once: its zero must not share an interval with its stale marker.
	w.count(w.flow("1", 1700, 0))
	w.tick()
	s = w.receiver.series[name]
	if zero, marker := s[6], s[5]; zero.value != 0 || zero.at != marker.at+testInterval.Milliseconds() {
		t.Errorf("zero %v after marker %v: want it a tick later", zero, marker)
	}
	w.want(abBytes, 1700)
}

func TestLiveConnectionDoesNotFlap(t *testing.T) {
	// Updates once a minute, a timeout of a minute: the old connector flapped here.
	w := newWorld(t, Config{ConnectionTimeout: time.Minute})
	for i := range int64(10) {
		f := w.flow("1", 1000*(i+1), 0)
		f.Start = w.ms(time.Hour)
		f.LastUpdate.Start = w.ms(time.Minute)
		w.Update([]input.Flow{f})
		for range 4 {
			w.tick()
		}
	}
	for name, samples := range w.receiver.series {
		for _, s := range samples {
			if s.stale {
				t.Fatalf("%s has a stale marker while live", name)
			}
		}
	}
}

func TestOutageEndsNothing(t *testing.T) {
	w := knownWorld(t, Config{})
	w.count(w.flow("1", 1000, 0))
	w.AnalyzerDown("a")
	for range 100 { // 25 minutes
		w.tick()
	}
	w.AnalyzerUp("a")
	f := w.flow("1", 5000, 0)
	f.Start = w.ms(26 * time.Minute)
	f.LastUpdate.ABBytes = 10
	w.count(f)
	w.want(abBytes, 5000)
}

func TestSkippedRecords(t *testing.T) {
	tests := []struct {
		reason string
		change func(f *input.Flow)
	}{
		{skippedNoTransport, func(f *input.Flow) { f.HasTransport = false }},
		{skippedMalformed, func(f *input.Flow) { f.UUID = nil }},
		{skippedMalformed, func(f *input.Flow) { f.Metric.BABytes = -1 }},
		{skippedTooLong, func(f *input.Flow) { f.NodeTID = make([]byte, 257) }},
		{skippedImplausible, func(f *input.Flow) { f.Metric.ABBytes = 1<<52 + 1 }},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			w := knownWorld(t, Config{})
			before := w.metric("skybridge_records_skipped_total", test.reason)
			bad, good := w.flow("1", 10, 10), w.flow("2", 20, 20)
			test.change(&bad)
			w.count(bad, good)
			if n := w.metric("skybridge_records_skipped_total", test.reason) - before; n != 1 {
				t.Errorf("%v records skipped as %s, want 1", n, test.reason)
			}
			w.want(abBytes, 20)
		})
	}
}

// TestClockSetBack has an origin whose first record is far in the future:
// what follows counts all the same.
func TestClockSetBack(t *testing.T) {
	w := newWorld(t, Config{MaxFlows: 1})
	f := w.flow("1", 1000, 0)
	f.Start, f.LastUpdate.Last = 1<<62, 1<<62
	w.Update([]input.Flow{f}) // counts its update, sets the epoch
	w.pass(time.Minute)
	present := w.flow("2", 100, 0) // evicts the first, whose times become marks
	w.Update([]input.Flow{present})
	w.pass(time.Minute)
	for i := range int64(5) {
		w.Update([]input.Flow{w.flow(string('3'+rune(i)), 10, 0)})
		w.pass(time.Minute)
	}
	w.tickNow()
	w.want(abBytes, 1000+100+50)
}

func TestScrapeServesTheLatestTick(t *testing.T) {
	w := knownWorld(t, Config{})
	rows := make([]Row, 10)
	w.Update([]input.Flow{w.flow("1", 1000, 0)})
	if n := w.Scrape(&ScrapeCursor{}, rows); n != 0 {
		t.Errorf("%d rows before the first tick, want none", n)
	}
	w.tick()
	w.Update([]input.Flow{w.flow("1", 1700, 0)})
	n := w.Scrape(&ScrapeCursor{}, rows)
	if n != 1 || rows[0].Bytes[0] != 1000 {
		t.Errorf("%d rows, %v: want the 1000 bytes of the tick", n, rows[:n])
	}
}
