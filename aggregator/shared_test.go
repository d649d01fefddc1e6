// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// TestSharedConversationsAreEvicted proves that a conversation goes with its last flow, that
// an observer without flows gives no labels, also after a restart in between.
func TestSharedConversationsAreEvicted(t *testing.T) {
	cfg := crossingConfig(true)
	cfg.FlowExpire = time.Minute // how long another observer may still report the same
	m := newCrashingProcess(t, cfg)
	m.arrive(first, second)
	a := m.flow("1", 1000, 0)
	b := seenBy(a, "n2", "c2")
	m.Update([]input.Flow{a, b})
	a.FinishType = finishTimeout
	m.Update([]input.Flow{m.grown(a, 1100)})
	for range 12 {
		m.tick()
	}
	g := m.shared.records.at(0)
	if g.members != 1 || m.origins.at(g.primary).key.nodeTID != "n2" {
		t.Fatalf("after the first one's end: %+v", g)
	}
	m.crashAndStart(true)
	m.count(m.grown(b, 1500))
	m.want("bytes", 1500)
	m.pass(time.Hour)
	m.tick()
	for id := range m.origins.records.size {
		from := m.origins.at(id)
		if from.baselines != 0 {
			t.Errorf("%v is kept for %d flows or observers", from.key, from.baselines)
		}
	}
	if n := m.metric("skybridge_shared_connections", ""); n != 0 || m.baselines.byConversation.entries != [2]int{} {
		t.Errorf("%v groups and %v of their flows are left", n, m.baselines.byConversation.entries)
	}
	m.crashAndStart(true)
	m.Update([]input.Flow{m.flow("5", 10, 0)})
	m.tick() // the former marker is of the tick before this one
	m.tick()
	m.want("bytes", 1510)
	m.crash(false)
}

// TestObserversAreBounded proves that a feed which invents captures or flows of
// one connection has no more than its bound, and that it is counted.
func TestObserversAreBounded(t *testing.T) {
	w := knownWorld(t, crossingConfig(true))
	for i := range 100 {
		w.arrive([2]string{fmt.Sprint("n", i), "c"})
	}
	for i := range 100 {
		f := w.flow(fmt.Sprintf("%x", i+1), 1000, 0)
		f.NodeTID, f.CaptureID = fmt.Append(nil, "n", i), []byte("c")
		w.Update([]input.Flow{f})
	}
	w.wantBytes("100 captures", 1000)
	if n := len(w.shared.records.at(0).observers); n != maxObservers {
		t.Errorf("%d observers, want %d", n, maxObservers)
	}
	w.wantMetric("skybridge_observers_refused_total", "", 100-maxObservers)
	for i := range 2 * maxConversationFlows {
		f := w.flow(fmt.Sprintf("%x", i+1000), 10, 0)
		f.TransportA = 7
		w.Update([]input.Flow{f})
	}
	w.wantBytes("many flows", 1000+20*maxConversationFlows)
	if n := w.metric("skybridge_observers_refused_total", ""); n <= 100-maxObservers {
		t.Errorf("%v refused", n)
	}
}

// TestObserversReload proves that a reload which changes what counts once loses
// and doubles nothing: existing connections continue as they began.
func TestObserversReload(t *testing.T) {
	all, one := newWorld(t, crossingConfig(false)).cfg, newWorld(t, crossingConfig(true)).cfg
	for _, c := range []struct {
		name          string
		before, after Config
		want          uint64 // of the connection that continues
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
			w.count(a, b)
			if err := w.Configure(c.after); err != nil {
				t.Fatal(err)
			}
			// A third capture, on the first one's node, comes only now.
			third := seenBy(w.grown(a, 2000), "n1", "c3")
			w.Update([]input.Flow{w.grown(a, 2000), third, w.grown(b, 2000)})
			w.wantBytes("it continues", c.want)
			fresh := w.flow("9", 100, 0)
			fresh.TransportA = 9
			again := seenBy(fresh, "n2", "c2")
			again.UUID = []byte("99")
			w.Update([]input.Flow{fresh, again})
			w.wantBytes("another begins", c.want+c.fresh)
			// The first comes back when its flows were evicted, as if new.
			w.pass(31 * time.Minute)
			w.tick()
			back := w.flow("a", 10, 0)
			again = seenBy(back, "n2", "c2")
			again.UUID = []byte("aa")
			w.Update([]input.Flow{back, again})
			w.wantBytes("it comes back", c.want+c.fresh+c.fresh/10)
		})
	}
}
