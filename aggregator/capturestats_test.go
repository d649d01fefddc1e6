// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// TestCaptureStatistics proves that statistics as Skydive sends them give what the
// capture's tables dropped and hold: two tables under one id, 4 s apart, each every
// 10 s. Packets are sums of 9 to 11 readings, which rise and fall without traffic.
func TestCaptureStatistics(t *testing.T) {
	w := newWorld(t, Config{})
	readings := []int64{10, 11, 9, 10, 9, 11}
	dropped := []int64{424, 591, 597, 0, 1152, 0} // 2,764 in all
	for i := range readings {
		for table := range 2 {
			s := input.CaptureStats{CaptureID: []byte("c"), FlowCount: 100, PacketsReceived: 36_000 * readings[i]}
			if table == 0 {
				s.FlowDropped = dropped[i]
			} else {
				s.KernelFlowDropped = 1
			}
			w.Stats(s)
			w.pass(4 * time.Second)
		}
		w.pass(time.Second)
		w.tickNow()
		if rows := w.ScrapeCaptures(nil); len(rows) != 1 || rows[0].FlowCount != 200 {
			t.Errorf("after %d reports of each table: %+v, want 200 flows", i+1, rows)
		}
		w.pass(time.Second)
	}
	want := CaptureRow{CaptureID: "c", FlowCount: 200, FlowDropped: 2764, KernelFlowDropped: 6}
	if rows := w.ScrapeCaptures(nil); len(rows) != 1 || rows[0] != want {
		t.Errorf("%+v: want %+v", rows, want)
	}
	w.want("capture_dropped{c}", 2764)
	// One of the tables is deleted with its interface.
	for range 4 {
		w.Stats(input.CaptureStats{CaptureID: []byte("c"), FlowCount: 100})
		w.pass(10 * time.Second)
	}
	w.tickNow()
	if rows := w.ScrapeCaptures(nil); rows[0].FlowCount != 100 {
		t.Errorf("%d flows without the other table, want 100", rows[0].FlowCount)
	}
	for range 5 {
		w.tick()
	}
	s := w.receiver.series["capture_dropped{c}"]
	if !s[len(s)-1].stale || len(w.ScrapeCaptures(nil)) != 0 {
		t.Errorf("a silent capture does not end: %v", s)
	}
}

// TestCaptureFlowsWithJitter proves that a report which is late, early or lost does
// not count a table twice, and that one which is lost shows nowhere.
func TestCaptureFlowsWithJitter(t *testing.T) {
	w := newWorld(t, Config{})
	for i, gap := range []time.Duration{10, 13, 7, 6, 14, 10, 20, 10} {
		w.Stats(input.CaptureStats{CaptureID: []byte("c"), FlowCount: 200})
		w.pass(gap * time.Second)
		w.tickNow()
		if rows := w.ScrapeCaptures(nil); len(rows) != 1 || rows[0].FlowCount != 200 {
			t.Errorf("after report %d: %+v, want 200 flows", i, rows)
		}
	}
}

// TestCapturePackets proves that packets are the topology's: over all nodes, and none
// counts twice where a capture restarts or a node leaves and returns. Where the
// topology does not know the capture any more, the series end, those of flows do not.
func TestCapturePackets(t *testing.T) {
	w := newWorld(t, Config{})
	look := func(want uint64, rows ...input.CapturePackets) {
		t.Helper()
		w.Stats(input.CaptureStats{CaptureID: []byte("c"), FlowCount: 1, PacketsReceived: 1 << 30})
		w.setCaptures(rows...)
		w.tick()
		if got := w.ScrapeCaptures(nil)[0]; got.HasPackets != (rows != nil) || got.PacketsReceived != want || got.PacketsDropped != want/10 {
			t.Errorf("%+v, want %d packets", got, want)
		}
	}
	for received := range uint64(3) {
		w.setCaptures(packetsOn("a", 700+100*received))
	}
	look(1000, packetsOn("a", 1000))
	look(1500, packetsOn("a", 1000), packetsOn("b", 500))
	look(1500, packetsOn("a", 1000))
	look(1600, packetsOn("a", 1000), packetsOn("b", 600)) // its agent was out of reach
	look(1800, packetsOn("a", 200), packetsOn("b", 600))  // its capture restarted
	look(0)
	s := w.receiver.series["capture_received{c}"]
	if !s[len(s)-1].stale || s[0].value != 1000 {
		t.Errorf("received: %v, want no zero and a stale marker", s)
	}
	if s := w.receiver.series["capture_dropped{c}"]; s[len(s)-1].stale {
		t.Errorf("dropped flows end with the topology: %v", s)
	}
}

// TestCaptureMoves proves that what has changed is enough: a capture stays in the sum of a node
// that it has left while it is on another one, wherever the parts of a refresh begin.
func TestCaptureMoves(t *testing.T) {
	w := newWorld(t, Config{})
	look := func(want uint64) {
		t.Helper()
		w.Stats(input.CaptureStats{CaptureID: []byte("c"), FlowCount: 1})
		w.tick()
		if got := w.ScrapeCaptures(nil)[0]; got.HasPackets != (want > 0) || got.PacketsReceived != want {
			t.Errorf("%+v, want %d packets", got, want)
		}
	}
	gone := func(node string) input.CapturePackets {
		return input.CapturePackets{CaptureID: []byte("c"), NodeTID: []byte(node), Gone: true}
	}
	for n := range uint64(4) {
		w.setCaptures(packetsOn("a", 700+100*n))
	}
	look(1000)
	w.CapturePackets([]input.CapturePackets{packetsOn("b", 500)}, input.Refresh{})
	w.CapturePackets([]input.CapturePackets{gone("a"), gone("x")}, input.Refresh{End: true})
	look(1500)
	w.CapturePackets([]input.CapturePackets{packetsOn("a", 100)}, input.Refresh{End: true}) // it restarted there
	look(1600)
	w.CapturePackets([]input.CapturePackets{packetsOn("b", 510)}, input.Refresh{Whole: true}) // another process
	look(1610)
	w.CapturePackets(nil, input.Refresh{End: true})
	look(1610)
	w.CapturePackets([]input.CapturePackets{gone("b"), gone("b")}, input.Refresh{End: true})
	look(0)
	if w.captures.packetNodes != 0 {
		t.Errorf("%d nodes are kept", w.captures.packetNodes)
	}
}

// TestCapturePacketsNotUpdated proves that a number which Skydive does not update is
// not shown as a measurement: since 0.28 an analyzer has the packets from when the
// capture began, and from when the agent connected.
func TestCapturePacketsNotUpdated(t *testing.T) {
	w := newWorld(t, Config{})
	has := func(want bool, received ...uint64) {
		t.Helper()
		for _, n := range received {
			w.Stats(input.CaptureStats{CaptureID: []byte("c"), FlowCount: 1})
			w.setCaptures(packetsOn("a", n))
			w.tick()
			if got := w.ScrapeCaptures(nil)[0]; got.HasPackets != want {
				t.Errorf("%d packets: %+v, want packets: %v", n, got, want)
			}
		}
	}
	has(false, 0, 0, 0, 0)
	has(false, 5000, 5000, 5000, 0, 0) // the agent connects to another analyzer, then restarts
	has(true, 40, 41, 43, 43, 43)
	for range packetRefreshes { // from then on nothing passes, or is reported
		w.setCaptures(packetsOn("a", 43))
	}
	has(false, 43, 44, 45)
	has(true, 46, 47)
}

// setCaptures has the topology state the packets of all captures.
func (w *world) setCaptures(rows ...input.CapturePackets) {
	w.CapturePackets(rows, input.Refresh{Whole: true, End: true})
}

func packetsOn(node string, received uint64) input.CapturePackets {
	return input.CapturePackets{CaptureID: []byte("c"), NodeTID: []byte(node), Received: received, Dropped: received / 10}
}

// TestFlowsKnown proves which flows of a capture are known: all that had a record,
// without ports too, until some time after their end; and that there is no
// number before idle flows cannot have been missed.
func TestFlowsKnown(t *testing.T) {
	w := newWorld(t, Config{FlowRetention: 30 * time.Minute})
	known := func(want uint64) {
		t.Helper()
		w.Stats(input.CaptureStats{CaptureID: []byte("c1"), FlowCount: 5})
		w.tick() // counters of captures begin with the second
		w.tick()
		if got := w.ScrapeCaptures(nil)[0].FlowsKnown; got != want {
			t.Errorf("%d flows known, want %d", got, want)
		}
	}
	report := func(finish int64) {
		a, b, icmp := w.flow("1", 1000, 1000), w.flow("2", 1000, 1000), w.flow("3", 1000, 1000)
		icmp.HasTransport = false
		b.FinishType, icmp.FinishType = finish, finish
		w.Update([]input.Flow{a, b, icmp})
	}
	w.AnalyzerUp("a")
	report(0)
	known(0)
	w.pass(20 * time.Minute)
	report(0)
	w.pass(11 * time.Minute)
	known(3)
	report(finishTimeout)
	known(3)
	for range 5 {
		w.pass(time.Minute)
		w.tickNow()
	}
	known(1)
	w.AnalyzerDown("a")
	w.AnalyzerUp("a")
	known(0)
}
