// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// seenBy returns a flow as another capture reports it.
func seenBy(f input.Flow, node, capture string) input.Flow {
	f.UUID = fmt.Appendf(nil, "%x", len(node)+len(capture)+int(capture[len(capture)-1])<<8+int(node[len(node)-1])<<16)
	f.NodeTID, f.CaptureID = []byte(node), []byte(capture)
	return f
}

// grown returns a flow's next update.
func (w *world) grown(f input.Flow, ab int64) input.Flow {
	f.LastUpdate = input.Metric{ABBytes: ab - f.Metric.ABBytes, Start: f.LastUpdate.Last, Last: w.ms(0)}
	f.Metric.ABBytes, f.Metric.Last = ab, w.ms(0)
	return f
}

// shifted returns a flow as a capture reports it whose agent's clock is ahead.
func shifted(f input.Flow, node, capture string, ahead time.Duration) input.Flow {
	f = seenBy(f, node, capture)
	for _, at := range []*int64{&f.Start, &f.Metric.Start, &f.Metric.Last, &f.LastUpdate.Start, &f.LastUpdate.Last} {
		*at += ahead.Milliseconds()
	}
	return f
}

// oneWorld counts connections once, wherever they are seen; the captures named
// are known.
func oneWorld(t *testing.T, sources ...[2]string) *world {
	w := newWorld(t, crossingConfig(true))
	w.arrive(sources...)
	return w
}

// arrive makes captures on nodes known, so that their epochs are in the past.
func (w *world) arrive(sources ...[2]string) {
	for _, s := range sources {
		f := seenBy(w.flow("", 0, 0), s[0], s[1])
		f.HasTransport = false
		w.Update([]input.Flow{f})
	}
	w.pass(time.Minute)
}

func (w *world) wantBytes(what string, n uint64) {
	w.t.Helper()
	for range 2 { // also of what has just ended and returns
		w.tick()
	}
	if got := w.total("bytes"); got != n {
		w.t.Errorf("%s: %d bytes, want %d", what, got, n)
	}
}

var (
	first  = [2]string{"n1", "c1"}
	second = [2]string{"n2", "c2"}
)

// TestObserverThatStops proves that nothing is lost or counted twice when the capture that
// reported a connection goes, whichever it is and however the other came.
func TestObserverThatStops(t *testing.T) {
	for _, c := range []struct {
		name string
		late bool
		node string
	}{
		{"both from the start", false, "n2"},
		{"the other came in mid-stream", true, "n2"},
		{"on the same node", true, "n1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := oneWorld(t, first, [2]string{c.node, "c2"})
			a := w.flow("1", 1000, 0)
			b := seenBy(a, c.node, "c2")
			if !c.late {
				w.Update([]input.Flow{a, b})
			} else {
				w.Update([]input.Flow{a})
			}
			for i := range int64(4) {
				w.pass(10 * time.Second)
				a = w.grown(a, 2000+1000*i)
				w.Update([]input.Flow{a})
				w.pass(5 * time.Second)
				if !c.late {
					b = w.grown(b, 2500+1000*i)
					w.Update([]input.Flow{b})
				}
			}
			if c.late { // it sees the 700 since the latest report of the first
				b.Metric, b.LastUpdate = input.Metric{}, input.Metric{}
				b.Start, b.LastUpdate.Last = w.ms(4*time.Second), w.ms(4*time.Second)
				b = w.grown(b, 700)
				w.Update([]input.Flow{b})
				w.pass(6 * time.Second)
				a = w.grown(a, 6000)
				w.Update([]input.Flow{a})
				w.wantBytes("both", 6000)
				b = w.grown(b, 1700) // 7000 in all, or 6700 for all that it knows
				w.Update([]input.Flow{b})
			} else {
				b = w.grown(b, 7000)
				w.Update([]input.Flow{b})
			}
			w.tick()
			if got := w.total("bytes"); got < 6000 || got > 7000 || (!c.late && got != 7000) {
				t.Fatalf("%d bytes, want 7000", got)
			}
			w.pass(time.Minute) // the first is gone; from here on the other's all count
			w.count(w.grown(b, b.Metric.ABBytes+500))
			before := w.total("bytes")
			w.Update([]input.Flow{w.grown(b, b.Metric.ABBytes+1500)})
			w.wantBytes("the other alone", before+1000)
		})
	}
}

// TestOpenedAsOthersSaw proves that it does not matter which of two captures saw a
// connection being opened, nor from which side the first one of them sees it, for
// which of its ports is the server's.
func TestOpenedAsOthersSaw(t *testing.T) {
	for _, c := range []struct {
		name     string
		grown    bool // the one that saw it reports more
		answered bool
	}{
		{"it raises the total", true, true},
		{"the other was as quick", false, true},
		{"no one answered", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := crossingConfig(true)
			cfg.Ports = label.ServicePorts
			w := newWorld(t, cfg)
			w.arrive(first, second)
			a := w.flow("1", 1000, 1000) // from port 40000 to 50000
			a.TransportB = 50000
			b := seenBy(a, "n2", "c2")
			b.Opened = input.OpenedByA
			a.NetworkA, a.NetworkB, a.TransportA, a.TransportB = a.NetworkB, a.NetworkA, a.TransportB, a.TransportA
			if a.Metric.BABytes, a.Metric.BAPackets = 300, 3; c.grown {
				b.Metric.ABBytes, b.Metric.ABPackets = 5000, 50
			} else {
				b.Metric.ABBytes, b.Metric.ABPackets = 300, 3
			}
			if !c.answered {
				b.Metric.BABytes, b.Metric.BAPackets = 0, 0
			}
			w.Update([]input.Flow{a, b})
			w.pass(10 * time.Second)
			w.count(w.grown(a, 1500))
			var got uint64
			for name, n := range w.receiver.increases() {
				if strings.HasPrefix(name, "bytes{") && strings.Contains(name, "initiator_port=50000,protocol=TCP,target_ip=10.0.0.1,target_port=ephemeral") {
					got += n
				}
			}
			want := uint64(500) // what came after it was known
			switch {
			case !c.answered:
				want = 0
			case c.grown:
				want += 5000 - 300
			}
			if got != want {
				t.Errorf("%d bytes where the server's port is known, want %d\n%s", got, want, w.receiver)
			}
		})
	}
}

// TestBoundsUseThePrimaryObserver proves that a connection takes of the room of the
// node that reported it first, whichever reports more of it, and that what has no room
// counts once all the same.
func TestBoundsUseThePrimaryObserver(t *testing.T) {
	cfg := crossingConfig(true)
	cfg.MaxSeriesPerNode = 10 // two connections without a round-trip time
	w := newWorld(t, cfg)
	w.arrive(first, second)
	for i := range int64(4) {
		a := w.flow(fmt.Sprint(i+1), 1000, 0)
		a.TransportA = i
		b := seenBy(a, "n2", "c2")
		b.UUID, b.Metric.ABBytes = fmt.Append(nil, i+101), 1500
		w.Update([]input.Flow{a, b})
	}
	checkBounds(t, w.Aggregator)
	if n, other := w.seriesOfNode("n1"), w.origins.nodes.byTID["n2"]; n != 8 || other.series != 0 || other.overflowBytes != 0 {
		t.Errorf("%d series of the first node, %d of the other, which has %d bytes in the overflow; want 8, 0 and 0", n, other.series, other.overflowBytes)
	}
	if n := w.origins.nodes.byTID["n1"].overflowBytes; n != 3000 {
		t.Errorf("%d bytes in the overflow, want 3000", n)
	}
	w.wantBytes("in all", 6000)
	w.want("bytes{direction=initiator_to_target,initiator_ip=other", 3000)
}

// TestClocksApart proves that clocks which differ make no traffic count twice.
func TestClocksApart(t *testing.T) {
	for _, apart := range []time.Duration{-time.Hour, -90 * time.Second, 90 * time.Second, time.Hour} {
		w := newWorld(t, crossingConfig(true))
		shifted := func(f input.Flow) input.Flow { return shifted(f, "n2", "c2", apart) }
		known := w.flow("", 0, 0)
		known.HasTransport = false
		w.Update([]input.Flow{seenBy(known, "n1", "c1"), shifted(known)})
		w.pass(time.Minute)
		a := w.flow("1", 1000, 0)
		w.Update([]input.Flow{a, shifted(a)})
		for i := range int64(6) {
			w.pass(10 * time.Second)
			a = w.grown(a, 2000+i*1000)
			w.Update([]input.Flow{a, shifted(a)})
		}
		w.wantBytes(fmt.Sprint("apart by ", apart), 7000)
		w.pass(20 * time.Minute) // the connection continues under new UUIDs
		a = w.flow("2", 300, 0)
		b := shifted(a)
		b.UUID = []byte("b2")
		w.Update([]input.Flow{b, a})
		w.wantBytes(fmt.Sprint("resumed, apart by ", apart), 7300)
	}
}

// TestSharedOnOneNode proves that two captures of one node count once under the
// default labels, under the labels of the one that was first.
func TestSharedOnOneNode(t *testing.T) {
	w := newWorld(t, Config{})
	w.arrive(first, [2]string{"n1", "c2"})
	a := w.flow("1", 1000, 100)
	a.Metric.RTT = 5
	b := seenBy(a, "n1", "c2")
	b.NetworkA, b.NetworkB, b.TransportA, b.TransportB = b.NetworkB, b.NetworkA, b.TransportB, b.TransportA
	b.Metric.ABBytes, b.Metric.BABytes, b.Metric.RTT = 100, 1200, 7
	w.count(a, b)
	name := "{direction=initiator_to_target,initiator_ip=10.0.0.1,initiator_port=40000,node_tid=n1,protocol=TCP,target_ip=10.0.0.2,target_port=80}"
	if n := w.receiver.increases()["bytes"+name]; n != 1200 {
		t.Errorf("%d bytes, want 1200\n%v", n, w.receiver)
	}
	w.want("bytes", 1300)
	if s := w.receiver.series["rtt"+name]; len(s) != 1 || s[0].value != 5 {
		t.Errorf("round-trip times %v, want that of the first capture", s)
	}
	w.wantMetric("skybridge_duplicate_bytes_total", "", 1100)
	if string(b.NetworkA) != "10.0.0.2" {
		t.Error("the caller's flow was changed")
	}
}

// TestTwoFlowsOfOneCapture proves that flows of one capture add up although
// addresses and ports are the same, as on a link with two VLANs: also where
// another capture sees both.
func TestTwoFlowsOfOneCapture(t *testing.T) {
	w := oneWorld(t, first, second)
	a1, a2 := w.flow("a1", 1000, 0), w.flow("a2", 500, 0)
	b1, b2 := seenBy(a1, "n2", "c2"), seenBy(a2, "n2", "c2")
	b1.UUID, b2.UUID = []byte("b1"), []byte("b2")
	w.Update([]input.Flow{a1, a2})
	w.wantBytes("one capture", 1500)
	b1.LastUpdate.Last, b2.LastUpdate.Last = w.ms(0), w.ms(0)
	w.Update([]input.Flow{b1, b2})
	w.wantBytes("two captures", 1500)
	w.Update([]input.Flow{w.grown(a1, 1100), w.grown(a2, 600), w.grown(b1, 1100), w.grown(b2, 700)})
	w.wantBytes("they continue", 1800)
}

// TestViewOfALaterTime proves that what a capture took over from others is not
// taken for what it had seen when its own latest packet came: a third one, which
// counts that time itself, would count it twice.
func TestViewOfALaterTime(t *testing.T) {
	w := newWorld(t, Config{})
	w.arrive(first, [2]string{"n1", "c2"}, [2]string{"n1", "c3"})
	began := w.time
	at := func(s int) int64 { return began.Add(time.Duration(s) * time.Second).UnixMilli() }
	// A flow that began at one second and had its latest packet at another is
	// reported at a third.
	report := func(f input.Flow, ab int64, start, last, now int) input.Flow {
		w.pass(began.Add(time.Duration(now) * time.Second).Sub(w.time))
		f.Start, f.Metric.ABBytes, f.Metric.Last = at(start), ab, at(last)
		f.LastUpdate = input.Metric{ABBytes: ab, Start: at(start), Last: at(now)}
		w.Update([]input.Flow{f})
		return f
	}
	a := w.flow("1", 0, 0)
	b, c := seenBy(a, "n1", "c2"), seenBy(a, "n1", "c3")
	report(a, 1900, 0, 18, 18) // 100 a second
	report(b, 900, 10, 19, 19)
	report(a, 4900, 0, 48, 48)
	report(c, 600, 7, 13, 55) // it has seen no more since, and knows what A knew
	report(a, 7900, 0, 78, 78)
	report(b, 7000, 10, 79, 79)
	w.tick()
	if got := w.total("bytes"); got != 7900 && got != 8000 {
		t.Errorf("%d bytes, want 8000, or 7900 until A says so", got)
	}
	report(a, 8000, 0, 79, 96)
	w.wantBytes("in the end", 8000)
}
