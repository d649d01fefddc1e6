// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator/sketch"
	"github.com/skydive-project/skybridge/input"
)

// TestRankChanges proves which connections keep series and which get some.
func TestRankChanges(t *testing.T) {
	for _, c := range []struct {
		name            string
		own, others     []uint64
		k, fit          int
		losers, winners int
	}{
		{"no one", nil, nil, 2, 2, 0, 0},
		{"free places", []uint64{5}, []uint64{9, 1}, 3, 3, 0, 2},
		{"more than places", []uint64{5}, []uint64{9, 5, 1}, 3, 3, 0, 2},
		{"free places that max_series has no room for", []uint64{5}, []uint64{9, 5, 1}, 3, 1, 0, 1},
		{"no room at all", []uint64{5}, []uint64{9, 5, 1}, 3, 0, 1, 1},
		{"equals", []uint64{5, 5}, []uint64{5, 5}, 2, 0, 0, 0},
		{"a quarter more", []uint64{100, 200}, []uint64{125, 125}, 2, 0, 0, 0},
		{"more than a quarter more", []uint64{100, 200}, []uint64{126, 126}, 2, 0, 1, 1},
		{"against nothing", []uint64{0, 0}, []uint64{1, 1, 1}, 2, 0, 2, 2},
		{"far more", []uint64{1, 2, 3}, []uint64{90, 80, 70, 60}, 3, 0, 3, 3},
		{"too many own", []uint64{1, 2, 3, 4}, nil, 2, 0, 2, 0},
		{"too many own, and busier others", []uint64{1, 2, 3, 4}, []uint64{90}, 2, 0, 3, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var own []candidate
			for _, n := range c.own {
				own = append(own, candidate{bytes: n})
			}
			var others []sketch.Counter
			for _, n := range c.others {
				others = append(others, sketch.Counter{Bytes: n + 7, Error: 7})
			}
			losers, winners := rankChanges(own, others, c.k, c.fit)
			if losers != c.losers || winners != c.winners {
				t.Errorf("%d lose and %d win, want %d and %d", losers, winners, c.losers, c.winners)
			}
		})
	}
}

// busyConnections is a world in which connection N, a port, carries bytes when told to.
type busyConnections struct {
	*world
	totals map[int64]int64
}

func newBusyConnections(w *world) *busyConnections {
	w.known()
	return &busyConnections{w, map[int64]int64{}}
}

// carry reports bytes of the connection with that port.
func (w *busyConnections) carry(port, bytes int64) {
	w.totals[port] += bytes
	f := w.flow("a"+string('a'+rune(port)), w.totals[port], 0)
	f.UUID, f.TransportA = []byte{'u', byte('a' + port)}, port
	w.Update([]input.Flow{f})
}

// window lets a window pass in which connection i carries bytes[i] at each tick.
func (w *busyConnections) window(bytes ...int64) {
	for range topWindow / testInterval {
		for port, n := range bytes {
			if n > 0 {
				w.carry(int64(port), n)
			}
		}
		w.tick()
	}
}

// topWindow is longer than what passes before the first tick.
const topWindow = 6 * testInterval

// own names the connections that have series and keep them, by port.
func (w *busyConnections) own() string {
	var ports []string
	cs := w.connections
	for i := range cs.records.size {
		if c := cs.records.at(i); c.used && !c.overflow && !c.demoted && c.phase != ended {
			ports = append(ports, strings.Split(c.values, "\xff")[1])
		}
	}
	return strings.Join(ports, " ")
}

func (w *busyConnections) wantOwn(want ...string) {
	w.t.Helper()
	for _, port := range want {
		if got := " " + w.own() + " "; !strings.Contains(got, " "+port+" ") || len(want) != len(strings.Fields(got)) {
			w.t.Errorf("own series for%s, want %v", got, want)
			return
		}
	}
}

func (w *busyConnections) wantTotals() {
	w.t.Helper()
	sum := int64(0)
	for _, n := range w.totals {
		sum += n
	}
	if got := w.total("bytes"); got != uint64(sum) {
		w.t.Errorf("%d bytes in all, want %d\n%s", got, sum, w.receiver)
	}
}

// series returns what the series of a connection increased by, and whether it is live.
func (w *busyConnections) series(port string) (increase uint64, lives bool) {
	for name, s := range w.receiver.series {
		if strings.Contains(name, "initiator_port="+port+",") && strings.HasPrefix(name, abBytes) {
			return w.receiver.increase(name), !s[len(s)-1].stale
		}
	}
	return 0, false
}

// TestTopK proves that the busiest get the series, that what they carried before
// stays in the overflow, and that nothing is lost when they lose them.
func TestTopK(t *testing.T) {
	w := newBusyConnections(newWorld(t, Config{TopK: 2, TopKWindow: topWindow}))
	w.window(100, 200, 300, 400) // the first ones have series at once
	w.wantOwn("0", "1")
	for port := range int64(4) {
		w.carry(port, 100*(port+1))
	}
	w.tick() // the window is over
	w.tick()
	if w.demotions != 2 {
		t.Errorf("%d demotions with the second tick after the window, want 2", w.demotions)
	}
	before := w.totals[3]
	w.window(100, 200, 300, 400)
	w.wantOwn("2", "3")
	w.wantTotals()
	got, lives := w.series("3")
	if own := w.totals[3] - before; !lives || got == 0 || got > uint64(own) {
		t.Errorf("the busiest has %d bytes in its series (lives: %v), of %d since the ranking", got, lives, own)
	}
	if got, lives := w.series("0"); lives || got == 0 {
		t.Errorf("the one that lost its series has %d bytes in it (lives: %v)", got, lives)
	}
	w.wantMetric("skybridge_top_k_changes_total", "", 2)
	overflowed := uint64(w.metric("skybridge_overflow_bytes_total", "top_k"))
	if overflow, _ := w.series("other"); overflow != overflowed || overflowed == 0 {
		t.Errorf("%d bytes in the overflow, %d counted as overflow", overflow, overflowed)
	}
	if n := w.metric("skybridge_overflow_connections", "top_k"); n < 3 || n > 5 {
		t.Errorf("%v connections in the overflow of late, want about 4", n)
	}
}

// TestTopKIsStable proves that connections that carry about the same do not take
// turns.
func TestTopKIsStable(t *testing.T) {
	w := newBusyConnections(newWorld(t, Config{TopK: 2, TopKWindow: topWindow}))
	for i := range int64(10) {
		w.window(1000, 1000, 1000+20*i, 1200)
	}
	w.wantOwn("0", "1")
	w.wantMetric("skybridge_top_k_changes_total", "", 0)
	w.wantTotals()
}

// TestTopKFreePlaces proves that a new connection gets the place of a connection that ended.
func TestTopKFreePlaces(t *testing.T) {
	w := newBusyConnections(newWorld(t, Config{TopK: 2, TopKWindow: time.Hour, ConnectionTimeout: time.Second}))
	w.window(100, 100, 100)
	w.wantOwn("0", "1")
	for range 3 {
		w.window(0, 100, 100)
	}
	w.wantOwn("1", "2")
	if w.demotions != 0 {
		t.Errorf("%d demotions", w.demotions)
	}
	w.wantTotals()
}

// TestMayHaveSeries proves which connections get series before the next ranking.
func TestMayHaveSeries(t *testing.T) {
	for _, c := range []struct {
		name    string
		own     int
		fit     int
		id      uint64
		want    bool
		promise int
	}{
		{"a free place", 1, 5, 9, true, 0},
		{"no place", 2, 5, 9, false, 0},
		{"promised", 1, 5, 1, true, 1},
		{"promised to another", 1, 5, 9, false, 1},
		{"promised, but who has it still keeps it", 2, 5, 1, false, 1},
		{"one of two", 0, 5, 9, true, 1},
		{"one of two, with room for the other alone", 0, 1, 9, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := top{k: 2}
			for id := range uint64(c.promise) {
				w.promised = append(w.promised, id+1)
			}
			if got := w.mayHaveSeries(c.own, c.fit, c.id); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestPromisedConnectionIsAdmittedOnce proves that a promise that was kept holds no place any more.
func TestPromisedConnectionIsAdmittedOnce(t *testing.T) {
	w := top{k: 2, promised: []uint64{1}, others: sketch.NewSpaceSaving(1)}
	w.admit(0, 1)
	if !w.mayHaveSeries(1, 5, 9) {
		t.Error("the second place is not free")
	}
}

// TestAdmittedConnectionKeepsItsBytes proves that a connection that gets a place within a window is ranked by all
// that it carried in it.
func TestAdmittedConnectionKeepsItsBytes(t *testing.T) {
	w := newBusyConnections(newWorld(t, Config{TopK: 1, TopKWindow: 20 * testInterval, ConnectionTimeout: 10 * testInterval}))
	w.carry(0, 1)
	for range 22 { // the first ends after some of them
		w.carry(1, 100)
		w.carry(2, 110)
		w.tick()
	}
	w.wantOwn("1")
	if w.demotions != 0 {
		t.Errorf("%d demotions", w.demotions)
	}
}

// TestTopKWithinMaxSeries proves that the ranking continues where max_series has no
// room for K.
func TestTopKWithinMaxSeries(t *testing.T) {
	w := newBusyConnections(newWorld(t, Config{TopK: 10, TopKWindow: topWindow, MaxSeries: 12}))
	for range 4 {
		w.window(100, 100, 100, 1000)
	}
	if own := w.own(); !strings.Contains(own, "3") {
		t.Errorf("own series for %s, not for the busiest", own)
	}
	w.wantTotals()
}

// TestTopKOfAFullNode proves that a connection that its node has no room for takes no
// other's place, which it could not use.
func TestTopKOfAFullNode(t *testing.T) {
	w := newBusyConnections(newWorld(t, Config{TopK: 2, TopKWindow: topWindow, MaxSeriesPerNode: 8}))
	for range 4 {
		w.window(100, 100, 1000)
	}
	w.wantOwn("0", "1")
	if w.demotions != 0 {
		t.Errorf("%d demotions", w.demotions)
	}
	w.wantTotals()
}

// TestTopKReturns proves that a connection that lost its series and wins again resets, even
// before the old ones have ended.
func TestTopKReturns(t *testing.T) {
	w := newBusyConnections(newWorld(t, Config{TopK: 1, TopKWindow: testInterval}))
	for range 12 {
		w.carry(0, 1000)
		w.carry(1, 10)
		w.tick()
		w.carry(0, 10)
		w.carry(1, 1000)
		w.tick()
	}
	if w.demotions < 3 {
		t.Errorf("%d demotions: nothing was tried", w.demotions)
	}
	for range 8 {
		w.tick()
	}
	w.wantTotals()
}

// TestTopKReload proves that a lower K takes series away at the end of a window, a
// higher one gives some at once, and none ends the ranking.
func TestTopKReload(t *testing.T) {
	w := newBusyConnections(newWorld(t, Config{}))
	configure := func(k int) {
		cfg := w.cfg
		cfg.TopK, cfg.TopKWindow = k, topWindow
		if err := w.Configure(cfg); err != nil {
			t.Fatal(err)
		}
	}
	w.window(100, 200, 300)
	w.wantOwn("0", "1", "2")
	configure(1)
	w.carry(2, 300)
	w.tick()
	w.wantOwn("0", "1", "2")
	for range 2 {
		w.window(100, 200, 300)
	}
	w.wantOwn("2")
	configure(2)
	w.window(100, 200, 300)
	w.window(100, 200, 300)
	w.wantOwn("1", "2")
	configure(0)
	w.window(100, 200, 300)
	w.wantOwn("0", "1", "2")
	w.wantTotals()
}

// TestReturningConnectionKeepsItsPlace proves that a connection which returns before it is
// removed keeps its series where there is no room for another one.
func TestReturningConnectionKeepsItsPlace(t *testing.T) {
	w := knownWorld(t, Config{TopK: 1, TopKWindow: time.Hour, MaxSeries: 4})
	f := w.flow("1", 1000, 0)
	w.count(f)
	for w.connections.ended == nil {
		w.tick()
	}
	w.count(w.grown(f, 1500))
	w.tick()
	w.wantMetric("skybridge_overflow_bytes_total", "top_k", 0)
}
