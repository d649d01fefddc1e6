// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// seenBy returns a flow as another capture reports it.
func seenBy(f Flow, node, capture string) Flow {
	f.UUID = fmt.Appendf(nil, "%x", len(node)+len(capture)+int(capture[len(capture)-1])<<8+int(node[len(node)-1])<<16)
	f.NodeTID, f.CaptureID = []byte(node), []byte(capture)
	return f
}

// grown returns a flow's next update.
func (w *world) grown(f Flow, ab int64) Flow {
	f.LastUpdate = Metric{ABBytes: ab - f.Metric.ABBytes, Start: f.LastUpdate.Last, Last: w.ms(0)}
	f.Metric.ABBytes, f.Metric.Last = ab, w.ms(0)
	return f
}

// oneWorld counts connections once, wherever they are seen; the captures named
// are known.
func oneWorld(t *testing.T, sources ...[2]string) *world {
	w := newWorld(t, crossingConfig(true))
	w.arrive(sources...)
	return w
}

func (w *world) arrive(sources ...[2]string) {
	for _, s := range sources {
		f := seenBy(w.flow("", 0, 0), s[0], s[1])
		f.HasTransport = false
		w.Update([]Flow{f})
	}
	w.pass(time.Minute)
}

func (w *world) wantBytes(what string, n uint64) {
	w.t.Helper()
	w.tick()
	if got := w.total("bytes"); got != n {
		w.t.Errorf("%s: %d bytes, want %d", what, got, n)
	}
}

var (
	first  = [2]string{"n1", "c1"}
	second = [2]string{"n2", "c2"}
)

// TestHandOver proves that nothing is lost or counted twice when the capture that
// reported a connection goes, whichever it is and however the other came.
func TestHandOver(t *testing.T) {
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
				w.Update([]Flow{a, b})
			} else {
				w.Update([]Flow{a})
			}
			for i := range int64(4) {
				w.pass(10 * time.Second)
				a = w.grown(a, 2000+1000*i)
				w.Update([]Flow{a})
				w.pass(5 * time.Second)
				if !c.late {
					b = w.grown(b, 2500+1000*i)
					w.Update([]Flow{b})
				}
			}
			if c.late { // it sees the 700 since the latest report of the first
				b.Metric, b.LastUpdate = Metric{}, Metric{}
				b.Start, b.LastUpdate.Last = w.ms(4*time.Second), w.ms(4*time.Second)
				b = w.grown(b, 700)
				w.Update([]Flow{b})
				w.pass(6 * time.Second)
				a = w.grown(a, 6000)
				w.Update([]Flow{a})
				w.wantBytes("both", 6000)
				b = w.grown(b, 1700) // 7000 in all, or 6700 for all that it knows
				w.Update([]Flow{b})
			} else {
				b = w.grown(b, 7000)
				w.Update([]Flow{b})
			}
			w.tick()
			if got := w.total("bytes"); got < 6000 || got > 7000 || (!c.late && got != 7000) {
				t.Fatalf("%d bytes, want 7000", got)
			}
			w.pass(time.Minute) // the first is gone; from here on the other's all count
			w.Update([]Flow{w.grown(b, b.Metric.ABBytes+500)})
			w.tick()
			before := w.total("bytes")
			w.Update([]Flow{w.grown(b, b.Metric.ABBytes+1500)})
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
		{"nobody answered", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := crossingConfig(true)
			cfg.Ports = ServicePorts
			w := newWorld(t, cfg)
			w.arrive(first, second)
			a := w.flow("1", 1000, 1000) // from port 40000 to 50000
			a.TransportB = 50000
			b := seenBy(a, "n2", "c2")
			b.Opened = OpenedByA
			a.NetworkA, a.NetworkB, a.TransportA, a.TransportB = a.NetworkB, a.NetworkA, a.TransportB, a.TransportA
			if a.Metric.BABytes, a.Metric.BAPackets = 300, 3; c.grown {
				b.Metric.ABBytes, b.Metric.ABPackets = 5000, 50
			} else {
				b.Metric.ABBytes, b.Metric.ABPackets = 300, 3
			}
			if !c.answered {
				b.Metric.BABytes, b.Metric.BAPackets = 0, 0
			}
			w.Update([]Flow{a, b})
			w.pass(10 * time.Second)
			w.Update([]Flow{w.grown(a, 1500)})
			w.tick()
			var told uint64
			for name, n := range w.ledger.increases() {
				if strings.HasPrefix(name, "bytes{") && strings.Contains(name, "initiator_port=50000,protocol=TCP,target_ip=10.0.0.1,target_port=ephemeral") {
					told += n
				}
			}
			want := uint64(500) // what came after it was known
			switch {
			case !c.answered:
				want = 0
			case c.grown:
				want += 5000 - 300
			}
			if told != want {
				t.Errorf("%d bytes where the server's port is told, want %d\n%s", told, want, w.ledger)
			}
		})
	}
}

// TestBoundsGoByTheFirstCapture proves that a connection takes of the room of the
// node that reported it first, whoever reports more of it, and that what has no room
// counts once all the same.
func TestBoundsGoByTheFirstCapture(t *testing.T) {
	cfg := crossingConfig(true)
	cfg.MaxSeriesPerNode = 10 // two connections without a round-trip time
	w := newWorld(t, cfg)
	w.arrive(first, second)
	for i := range int64(4) {
		a := w.flow(fmt.Sprint(i+1), 1000, 0)
		a.TransportA = i
		b := seenBy(a, "n2", "c2")
		b.UUID, b.Metric.ABBytes = fmt.Append(nil, i+101), 1500
		w.Update([]Flow{a, b})
	}
	checkBounds(t, w.Aggregator)
	if n, other := w.seriesOfNode("n1"), w.sources.nodes.byTID["n2"]; n != 8 || other.series != 0 || other.folded != 0 {
		t.Errorf("%d series of the first node, %d of the other, which has %d bytes folded; want 8, 0 and 0", n, other.series, other.folded)
	}
	if n := w.sources.nodes.byTID["n1"].folded; n != 3000 {
		t.Errorf("%d bytes folded, want 3000", n)
	}
	w.wantBytes("in all", 6000)
	if n := w.total("bytes{direction=initiator_to_target,initiator_ip=other"); n != 3000 {
		t.Errorf("%d bytes in the overflow, want 3000\n%s", n, w.ledger)
	}
}

// TestClocksApart proves that clocks which differ make no traffic count twice.
func TestClocksApart(t *testing.T) {
	for _, apart := range []time.Duration{-time.Hour, -90 * time.Second, 90 * time.Second, time.Hour} {
		w := newWorld(t, crossingConfig(true))
		shifted := func(f Flow) Flow {
			f = seenBy(f, "n2", "c2")
			for _, at := range []*int64{&f.Start, &f.Metric.Start, &f.Metric.Last, &f.LastUpdate.Start, &f.LastUpdate.Last} {
				*at += apart.Milliseconds()
			}
			return f
		}
		known := w.flow("", 0, 0)
		known.HasTransport = false
		w.Update([]Flow{seenBy(known, "n1", "c1"), shifted(known)})
		w.pass(time.Minute)
		a := w.flow("1", 1000, 0)
		w.Update([]Flow{a, shifted(a)})
		for i := range int64(6) {
			w.pass(10 * time.Second)
			a = w.grown(a, 2000+i*1000)
			w.Update([]Flow{a, shifted(a)})
		}
		w.wantBytes(fmt.Sprint("apart by ", apart), 7000)
		w.pass(20 * time.Minute) // the connection goes on under new UUIDs
		a = w.flow("2", 300, 0)
		b := shifted(a)
		b.UUID = []byte("b2")
		w.Update([]Flow{b, a})
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
	w.Update([]Flow{a, b})
	w.tick()
	name := "{direction=initiator_to_target,initiator_ip=10.0.0.1,initiator_port=40000,node_tid=n1,protocol=TCP,target_ip=10.0.0.2,target_port=80}"
	if n := w.ledger.increases()["bytes"+name]; n != 1200 {
		t.Errorf("%d bytes, want 1200\n%v", n, w.ledger)
	}
	if n := w.total("bytes"); n != 1300 {
		t.Errorf("%d bytes in all, want 1300", n)
	}
	if s := w.ledger.series["rtt"+name]; len(s) != 1 || s[0].value != 5 {
		t.Errorf("round-trip times %v, want that of the first capture", s)
	}
	if n := w.metric("skybridge_duplicate_bytes_total", ""); n != 1100 {
		t.Errorf("%v bytes of duplicates, want 1100", n)
	}
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
	w.Update([]Flow{a1, a2})
	w.wantBytes("one capture", 1500)
	b1.LastUpdate.Last, b2.LastUpdate.Last = w.ms(0), w.ms(0)
	w.Update([]Flow{b1, b2})
	w.wantBytes("two captures", 1500)
	w.Update([]Flow{w.grown(a1, 1100), w.grown(a2, 600), w.grown(b1, 1100), w.grown(b2, 700)})
	w.wantBytes("they go on", 1800)
}

// TestGroupsAreForgotten proves that a conversation goes with its last flow, that
// an observer without flows tells no labels, and that a restart in between knows it.
func TestGroupsAreForgotten(t *testing.T) {
	m := newMortal(t, crossingConfig(true), disktest.New(1), 1<<20)
	m.arrive(first, second)
	a := m.flow("1", 1000, 0)
	b := seenBy(a, "n2", "c2")
	m.Update([]Flow{a, b})
	a.FinishType = finishTimeout
	m.Update([]Flow{m.grown(a, 1100)})
	reborn := func() {
		m.t.Helper()
		m.die(true)
		if m.begin(); m.recover.Anew != "" {
			t.Fatalf("began anew: %s", m.recover.Anew)
		}
	}
	for range 12 {
		m.tick()
	}
	g := m.groups.records.at(0)
	if g.members != 1 || m.sources.list[g.first].key.nodeTID != "n2" {
		t.Fatalf("after the first one's end: %+v", g)
	}
	reborn()
	m.Update([]Flow{m.grown(b, 1500)})
	m.tick()
	m.wantIncrease(1500)
	m.pass(time.Hour)
	m.tick()
	for _, src := range m.sources.list {
		if src.baselines != 0 {
			t.Errorf("%v is kept for %d flows or observers", src.key, src.baselines)
		}
	}
	if n := m.metric("skybridge_shared_connections", ""); n != 0 || m.baselines.kin.used != [2]int{} {
		t.Errorf("%v groups and %v of their flows are left", n, m.baselines.kin.used)
	}
	reborn()
	m.Update([]Flow{m.flow("5", 10, 0)})
	m.tick()
	m.wantIncrease(1510)
	m.die(false)
}

// TestObserversAreBounded proves that a feed which invents captures or flows of
// one connection has no more than its bound, and that it is counted.
func TestObserversAreBounded(t *testing.T) {
	w := newWorld(t, crossingConfig(true))
	w.known()
	for i := range 100 {
		w.arrive([2]string{fmt.Sprint("n", i), "c"})
	}
	for i := range 100 {
		f := w.flow(fmt.Sprintf("%x", i+1), 1000, 0)
		f.NodeTID, f.CaptureID = fmt.Append(nil, "n", i), []byte("c")
		w.Update([]Flow{f})
	}
	w.wantBytes("100 captures", 1000)
	if n := len(w.groups.records.at(0).observers); n != maxObservers {
		t.Errorf("%d observers, want %d", n, maxObservers)
	}
	if n := w.metric("skybridge_observers_refused_total", ""); n != 100-maxObservers {
		t.Errorf("%v refused", n)
	}
	for i := range 2 * maxKin {
		f := w.flow(fmt.Sprintf("%x", i+1000), 10, 0)
		f.TransportA = 7
		w.Update([]Flow{f})
	}
	w.wantBytes("many flows", 1000+20*maxKin)
	if n := w.metric("skybridge_observers_refused_total", ""); n <= 100-maxObservers {
		t.Errorf("%v refused", n)
	}
}

// TestObserversReload proves that a reload which changes what counts once loses
// and doubles nothing: connections that there are go on as they began.
func TestObserversReload(t *testing.T) {
	all, one := newWorld(t, crossingConfig(false)).cfg, newWorld(t, crossingConfig(true)).cfg
	for _, c := range []struct {
		name          string
		before, after Config
		want          uint64 // of the connection that goes on
		fresh         uint64 // of one that begins
	}{
		{"all to one", all, one, 4000, 100},
		{"one to all", one, all, 2000, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.before)
			w.arrive(first, second, [2]string{"n1", "c3"})
			a := w.flow("1", 1000, 0)
			b := seenBy(a, "n2", "c2")
			w.Update([]Flow{a, b})
			w.tick()
			if err := w.Configure(c.after); err != nil {
				t.Fatal(err)
			}
			// A third capture, on the first one's node, comes only now.
			third := seenBy(w.grown(a, 2000), "n1", "c3")
			w.Update([]Flow{w.grown(a, 2000), third, w.grown(b, 2000)})
			w.wantBytes("it goes on", c.want)
			fresh := w.flow("9", 100, 0)
			fresh.TransportA = 9
			again := seenBy(fresh, "n2", "c2")
			again.UUID = []byte("99")
			w.Update([]Flow{fresh, again})
			w.wantBytes("another begins", c.want+c.fresh)
			// The first comes back when its flows are forgotten: it is as new.
			w.pass(31 * time.Minute)
			w.tick()
			back := w.flow("a", 10, 0)
			again = seenBy(back, "n2", "c2")
			again.UUID = []byte("aa")
			w.Update([]Flow{back, again})
			w.wantBytes("it comes back", c.want+c.fresh+c.fresh/10)
		})
	}
}

// TestTunnels proves which flows of a tunnel count, that a reload loses nothing,
// and that a flow which others name as their parent is known to carry them.
func TestTunnels(t *testing.T) {
	outer, inner, plain := 1300, 1000, 50
	for policy, want := range map[Tunnels]int{"": outer + inner + plain, TunnelsBoth: outer + inner + plain, TunnelsInner: inner + plain, TunnelsOuter: outer + plain} {
		for _, named := range []bool{false, true} {
			w := newWorld(t, Config{Tunnels: policy})
			w.known()
			o, i, p := w.flow("1", int64(outer), 0), w.flow("2", int64(inner), 0), w.flow("3", int64(plain), 0)
			o.TransportB, p.TransportB = 4789, 7
			o.Outer, i.ParentUUID = !named, []byte("1")
			carried := w.flow("4", 0, 0) // by it, too
			carried.ParentUUID, carried.TransportB, carried.Metric.RTT = []byte("1"), 8, 1
			start := w.flow("1", 0, 0) // the parent was there before
			start.Metric.RTT, start.TransportB = 1, 4789
			w.Update([]Flow{start, carried, o, i, p})
			w.wantBytes(fmt.Sprint(policy, named), uint64(want))
			left := w.metric("skybridge_filtered_bytes_total", tunnelInner) + w.metric("skybridge_filtered_bytes_total", tunnelOuter)
			if int(left) != outer+inner+plain-want {
				t.Errorf("%s: %v bytes left out", policy, left)
			}
			cfg := w.cfg
			cfg.Tunnels = TunnelsBoth
			if err := w.Configure(cfg); err != nil {
				t.Fatal(err)
			}
			w.Update([]Flow{w.grown(o, int64(outer)+10), w.grown(i, int64(inner)+5)})
			w.wantBytes(fmt.Sprint(policy, " and then both"), uint64(want+15))
		}
	}
}

// TestKin proves that the table of conversations finds what a map would, however
// it grows and shrinks.
func TestKin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	bs, want := newBaselines(newSources()), map[conversationID]map[uint32]bool{}
	var live []uint32
	for range 60_000 {
		if len(live) > 0 && rng.IntN(3) == 0 {
			k := rng.IntN(len(live))
			i := live[k]
			live[k] = live[len(live)-1]
			live = live[:len(live)-1]
			id := bs.records.at(i).conversation
			delete(want[id], i)
			bs.part(i)
			bs.records.release(i)
			continue
		}
		id := conversationID(rng.Uint64N(30_000)+1)*0x9e3779b97f4a7c15 | 1
		i := bs.records.alloc()
		bs.join(i, id)
		live = append(live, i)
		if want[id] == nil {
			want[id] = map[uint32]bool{}
		}
		want[id][i] = true
	}
	for id, all := range want {
		n := 0
		for i := bs.firstOf(id); i != none; i = bs.nextOf(i) {
			if !all[i] {
				t.Fatalf("%d is none of conversation %x", i, id)
			}
			n++
		}
		if n != len(all) {
			t.Fatalf("%d of conversation %x, want %d", n, id, len(all))
		}
	}
	if got := bs.kin.used[0] + bs.kin.used[1]; got != len(live) || bs.kin.level < 14 {
		t.Errorf("%d entries in 1<<%d buckets, want %d in more", got, bs.kin.level, len(live))
	}
}

// TestViewsOfALaterTime proves that what a capture took over from others is not
// taken for what it had seen when its own latest packet came: a third one, which
// counts that time itself, would count it twice.
func TestViewsOfALaterTime(t *testing.T) {
	w := newWorld(t, Config{})
	w.arrive(first, [2]string{"n1", "c2"}, [2]string{"n1", "c3"})
	began := w.time
	at := func(s int) int64 { return began.Add(time.Duration(s) * time.Second).UnixMilli() }
	// A flow that began at one second and had its latest packet at another is
	// reported at a third.
	report := func(f Flow, ab int64, start, last, now int) Flow {
		w.pass(began.Add(time.Duration(now) * time.Second).Sub(w.time))
		f.Start, f.Metric.ABBytes, f.Metric.Last = at(start), ab, at(last)
		f.LastUpdate = Metric{ABBytes: ab, Start: at(start), Last: at(now)}
		w.Update([]Flow{f})
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
