// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/script"
)

// pointLog is an Emitter that keeps the points of all ticks in their order.
type pointLog struct {
	points     []Point
	captures   []CapturePoint
	interfaces []InterfacePoint
	between    func() // called whenever a tick is between two batches
}

func (l *pointLog) Connections(points []Point) {
	l.points = append(l.points, points...)
	l.between()
}

func (l *pointLog) Captures(points []CapturePoint) { l.captures = append(l.captures, points...) }
func (l *pointLog) Interfaces(points []InterfacePoint) {
	l.interfaces = append(l.interfaces, points...)
}

// TestTickIsAnExactCut proves that a tick has what was counted before it began and nothing
// else, and that what comes after it depends on nothing else either: whether updates arrive
// while it samples or after that, whether another process continues from the state, and whether
// a snapshot is made, makes no difference to any point of any tick, nor to the state. The
// snapshot has the state of its own moment.
func TestTickIsAnExactCut(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg := Config{ConnectionTimeout: 30 * time.Second, FlowRetention: 5 * time.Minute}
		if rapid.Bool().Draw(r, "bounded") {
			cfg.MaxSeries, cfg.MaxSeriesPerNode, cfg.MaxFlows = 1500, 800, 700
		}
		if rapid.Bool().Draw(r, "ranked") {
			cfg.TopK, cfg.TopKWindow = 200, 40*time.Second
		}
		type message struct {
			when  int // batches of the tick before it; -1: before the tick
			flows []int64
			rtt   int64 // where not 0, there is no traffic

			topology input.Entry
		}
		cfg.Labels = label.Default()
		if rapid.Bool().Draw(r, "named") {
			drawNames(r, &cfg)
		}
		topology := topologyEntries([]string{"n0", "n1", "n2"}, []string{"10.0.0.1", "10.0.0.2"}, []string{"c1"})
		messages := rapid.Custom(func(r *rapid.T) message {
			first := rapid.Int64Range(0, 800).Draw(r, "first")
			var flows []int64
			for port := range rapid.Int64Range(1, 60).Draw(r, "flows") {
				flows = append(flows, first+port*rapid.SampledFrom([]int64{1, 7}).Draw(r, "step"))
			}
			return message{rapid.IntRange(-1, 3).Draw(r, "when"), flows, rapid.SampledFrom([]int64{0, 0, 5, 7}).Draw(r, "rtt"), topology.Draw(r, "topology")}
		})
		ticks := rapid.SliceOfN(rapid.SliceOfN(messages, 0, 8), 5, 12).Draw(r, "ticks")

		restart := rapid.IntRange(0, len(ticks)-1).Draw(r, "restart")
		pace := rapid.IntRange(0, 3).Draw(r, "blocks an update")
		play := func(meanwhile, restarts, snapshot bool) (*world, *pointLog) {
			var saved savedState
			w := knownWorld(t, cfg)
			w.conversationKey = conversationKey{}
			log := &pointLog{}
			totals := map[int64]int64{}
			update := func(m message) {
				var flows []input.Flow
				for _, port := range m.flows {
					if m.rtt == 0 {
						totals[port] += 100
					}
					f := w.flow(fmt.Sprintf("%x", 1+port), totals[port], 0)
					f.TransportA, f.NodeTID = 1000+port, fmt.Appendf(nil, "n%d", port%3)
					f.Metric.RTT = m.rtt
					if f.LastUpdate.ABBytes = 100; port%5 == 0 && totals[port]%500 == 0 {
						f.FinishType = finishTimeout
					}
					flows = append(flows, f)
				}
				w.Update(flows)
				saved.draw(pace)
				w.must(m.topology)
			}
			many := make([]int64, 600)
			for i := range many {
				many[i] = int64(i)
			}
			update(message{flows: many, topology: input.Entry{Kind: input.KindInterfaces}})
			for i, all := range ticks {
				if restarts && i == restart {
					w = w.replaced(r, cfg)
				}
				if snapshot && i == restart {
					saved.begin(w.Aggregator)
				}
				w.pass(testInterval)
				left := slices.DeleteFunc(slices.Clone(all), func(m message) bool {
					if m.when < 0 {
						update(m)
					}
					return m.when < 0
				})
				slices.SortStableFunc(left, func(x, y message) int { return x.when - y.when })
				batch := 0
				log.between = func() {
					for ; meanwhile && len(left) > 0 && left[0].when <= batch; left = left[1:] {
						update(left[0])
					}
					batch++
				}
				w.Tick(w.time.UnixMilli(), testInterval, log)
				w.Publish()
				for _, m := range left {
					update(m)
				}
				checkBounds(r, w.Aggregator)
			}
			saved.check(t, r, cfg)
			return w, log
		}
		after, want := play(false, false, false)
		for name, other := range map[string]struct{ meanwhile, restarts, snapshot bool }{
			"updates during ticks": {meanwhile: true},
			"a restored state":     {restarts: true},
			"a snapshot":           {meanwhile: true, snapshot: true},
		} {
			is, got := play(other.meanwhile, other.restarts, other.snapshot)
			want.between, got.between = nil, nil
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(pointLog{})); diff != "" {
				r.Fatalf("%s: points differ (-want +got):\n%.3000s", name, diff)
			}
			if !bytes.Equal(stateOf(after.Aggregator), stateOf(is.Aggregator)) {
				r.Fatalf("%s: the states differ in the end", name)
			}
		}
	})
}

// replaced returns a world whose aggregator is a new one with the state of this one's.
func (w *world) replaced(t rapid.TB, cfg Config) *world {
	other := newWorld(w.t, cfg)
	state := stateOf(w.Aggregator)
	if err := restore(other.Aggregator, state); err != nil || !bytes.Equal(state, stateOf(other.Aggregator)) {
		t.Fatalf("the state is not restored: %v", err)
	}
	other.time = w.time
	return other
}

// TestStateIsWhole proves that a process that continues from the state makes the same samples
// as the one that wrote it, and the same state, whatever is configured and reported.
func TestStateIsWhole(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg, view := drawView(r, "the")
		drawExcludes(r, &cfg, &view)
		if rapid.Bool().Draw(r, "bounds") {
			drawBounds(r, &cfg)
		}
		cfg.ConnectionTimeout = time.Duration(rapid.IntRange(1, 60).Draw(r, "timeout")) * time.Second
		cfg.FlowRetention = time.Duration(rapid.IntRange(60, 600).Draw(r, "retention")) * time.Second
		began := newWorld(t, cfg).time
		feed := script.Write(script.Options{
			Seed: rapid.Uint64().Draw(r, "seed"), Connections: rapid.IntRange(1, 40).Draw(r, "connections"), Steps: rapid.IntRange(1, 20).Draw(r, "steps"),
			Analyzers: 2, Points: 2, Clocks: rapid.Bool().Draw(r, "clocks"), Now: began.UnixMilli(),
		})
		var messages []script.Message
		for _, step := range append([][]script.Message{feed.Hello}, feed.Steps...) {
			messages = append(messages, step...)
		}
		if len(messages) == 0 {
			return // a connection that was never used
		}
		topology := drawTopology(r, &cfg, messages)
		what := rapid.SliceOfN(rapid.IntRange(0, 9), len(messages), len(messages)).Draw(r, "what happens")
		restart := rapid.IntRange(0, len(messages)-1).Draw(r, "restart")
		pace := rapid.IntRange(0, 2).Draw(r, "blocks an input")
		play := func(restarts, snapshot bool) (*world, *pointLog) {
			var saved savedState
			w := newWorld(t, cfg)
			w.conversationKey = conversationKey{}
			log := &pointLog{between: func() {}}
			for i, m := range messages {
				if restarts && i == restart {
					w = w.replaced(r, cfg)
				}
				if snapshot && i == restart {
					saved.begin(w.Aggregator)
				}
				saved.draw(pace)
				w.pass(time.Duration(1+what[i]) * 500 * time.Millisecond)
				w.must(topology[i])
				w.Update(flowsOf(m.Flows))
				switch what[i] {
				case 0, 1, 2, 3:
					w.pass(testInterval)
					w.Tick(w.time.UnixMilli(), testInterval, log)
					w.Publish()
				case 4:
					w.Stats(input.CaptureStats{CaptureID: []byte(m.Flows[0].CaptureID), FlowCount: int64(i), FlowDropped: int64(i % 7)})
				case 5:
					w.AnalyzerDown([]string{"a", "b"}[i%2])
				case 6, 7:
					w.AnalyzerUp([]string{"a", "b"}[i%2])
				case 8:
					w.pass(3 * testInterval) // more than feed time may advance at once
				}
			}
			saved.check(t, r, cfg)
			return w, log
		}
		first, want := play(false, false)
		for name, other := range map[string]struct{ restarts, snapshot bool }{"a restored state": {restarts: true}, "a snapshot": {snapshot: true}} {
			second, got := play(other.restarts, other.snapshot)
			want.between, got.between = nil, nil
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(pointLog{})); diff != "" {
				r.Fatalf("%s: points differ (-want +got):\n%.3000s", name, diff)
			}
			if !bytes.Equal(stateOf(first.Aggregator), stateOf(second.Aggregator)) {
				r.Fatalf("%s: the states differ in the end", name)
			}
		}
	})
}

// TestScrapeOfManyEnded proves that a connection which has ended is not shown again before it
// is removed, where more have ended than are removed at a tick.
func TestScrapeOfManyEnded(t *testing.T) {
	w := knownWorld(t, Config{ConnectionTimeout: testInterval})
	var flows []input.Flow
	for i := range int64(sweptAtTick + 900) {
		f := w.flow(fmt.Sprintf("%x", 100+i), 100, 0)
		f.TransportA = 1000 + i
		flows = append(flows, f)
	}
	w.count(flows...)
	for w.connections.ended == nil {
		w.tick()
	}
	for range 3 {
		rows := make([]Row, batch)
		if n := w.Scrape(&ScrapeCursor{}, rows); n > 0 {
			t.Errorf("%d connections are shown", n)
		}
		w.tick()
	}
}
