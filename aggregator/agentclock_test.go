// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// agentRecord is one record of a scripted feed. Times are seconds since the world
// began: start and last on the agent's clock, arrival on ours.
type agentRecord struct {
	uuid                 int
	start, last, arrival int64
	metric, lum          int64
	end                  bool
}

func (r agentRecord) flow(from time.Time) input.Flow {
	at := func(s int64) int64 { return from.UnixMilli() + 1000*s }
	f := input.Flow{
		UUID: fmt.Appendf(nil, "%x", r.uuid+1), NodeTID: []byte("n1"), CaptureID: []byte("c1"),
		NetworkA: fmt.Appendf(nil, "10.0.%d.%d", r.uuid/250, r.uuid%250), NetworkB: []byte("10.9.0.1"),
		HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: 40000, TransportB: 80,
		Start: at(r.start), HasLastUpdate: true,
		Metric:     input.Metric{ABBytes: r.metric, ABPackets: 1, Start: at(r.start), Last: at(r.last)},
		LastUpdate: input.Metric{ABBytes: r.lum, Start: at(r.last - 60), Last: at(r.last)},
	}
	if r.lum == r.metric {
		f.LastUpdate.ABPackets = 1
	}
	if r.end {
		f.FinishType = finishTimeout
	}
	return f
}

// play reports records as they arrive, with a tick a minute.
func (w *world) play(records []agentRecord) {
	from := w.time
	for _, r := range records {
		arrival := from.Add(time.Duration(r.arrival) * time.Second)
		for w.time.Before(arrival) {
			next := time.UnixMilli(w.LastTick()).Add(time.Minute)
			if !next.Before(arrival) {
				w.pass(arrival.Sub(w.time))
				break
			}
			w.pass(next.Sub(w.time))
			w.tickNow()
		}
		w.Update([]input.Flow{r.flow(from)})
	}
	w.tick()
	w.tick()
}

// shortFlows are five new flows of 20 s a minute, on a clock that is back by so much
// from some second on.
func shortFlows(until, from, back int64) (records []agentRecord) {
	for t := int64(60); t < until; t += 60 {
		clock := t
		if t > from {
			clock -= back
		}
		for range 5 {
			records = append(records, agentRecord{len(records), clock - 40, clock, t + 2, 100, 100, false})
		}
	}
	return records
}

// longFlows are flows that live all the time and began in the first second.
func longFlows(flows int, until, step, from, back int64) (records []agentRecord) {
	for k := int64(1); k*60 <= until; k++ {
		clock := k * 60
		if clock > from {
			clock -= back
		}
		for u := range flows {
			records = append(records, agentRecord{u, 1, clock, k*60 + 2, k * step, step, false})
		}
	}
	return records
}

// TestAgentClocks proves that what flows report counts once, whatever is done to the
// clock of their agent.
func TestAgentClocks(t *testing.T) {
	const minutes = 60
	type scenario struct {
		name     string
		maxFlows int
		records  []agentRecord
		want     uint64  // bytes; 0: of every update, once
		several  bool    // analyzers
		history  float64 // bytes
	}
	var tests []scenario
	add := func(name string, maxFlows int, want uint64, records ...agentRecord) {
		tests = append(tests, scenario{name: name, maxFlows: maxFlows, records: records, want: want})
	}
	for _, back := range []int64{15, 3 * minutes, 30 * minutes, 59 * minutes, 120 * minutes} {
		add(fmt.Sprintf("short flows, back by %d s", back), 0, 0, shortFlows(200*minutes, 120*minutes, back)...)
		add(fmt.Sprintf("short flows beyond max_flows, back by %d s", back), 100, 0, shortFlows(200*minutes, 120*minutes, back)...)
		add(fmt.Sprintf("long flows beyond max_flows, back by %d s", back), 10, 0, longFlows(20, 180*minutes, 1000, 121*minutes, back)...)
	}
	add("1,100 flows, max_flows 1,000", 1000, 0, longFlows(1100, 20*minutes, 100, 1<<40, 0)...)
	add("1,500 flows, max_flows 1,000", 1000, 0, longFlows(1500, 20*minutes, 100, 1<<40, 0)...)
	add("short flows, 90 min ahead for an hour", 100, 0, shortFlows(200*minutes, 60*minutes, -90*minutes)...)
	var cutOff, ends, late, corrected []agentRecord
	for _, r := range longFlows(20, 120*minutes, 1000, 1<<40, 0) {
		if r.arrival > 60*minutes+2 && r.arrival < 105*minutes+2 {
			r.arrival = 105*minutes + 2
		}
		cutOff = append(cutOff, r)
	}
	add("cut off for 45 min, delivered late", 0, 0, cutOff...)
	for k := int64(1); k <= 10; k++ {
		for i := range 20 {
			ends = append(ends, agentRecord{int(k)*100 + i, 60*k - 30, 60 * k, 60*k + 2, 500, 500, false})
		}
		for i := range 20 {
			if k > 2 { // repeats its last update, with the times of that
				ends = append(ends, agentRecord{int(k-2)*100 + i, 60*(k-2) - 30, 60 * (k - 2), 60*k + 2, 500, 500, true})
			}
		}
		for u := range 20 {
			late = append(late, agentRecord{int(k)*100 + u, 60*k - 30 + int64(u), 60*k + 60, 60*k + 62, 900, 400, false})
		}
		for u := range 20 {
			if k > 5 {
				late = append(late, agentRecord{int(k-5)*100 + u, 60*(k-5) - 30 + int64(u), 60 * (k - 5), 60*k + 63, 500, 500, false})
			}
		}
	}
	add("ends that repeat an update, max_flows 10", 10, 0, ends...)
	late = append(late, agentRecord{1, 700, 760, 762, 7, 7, false}) // the old scale is still there
	add("first updates that a late analyzer delivers after the next, which counted, when max_flows has evicted the flows", 10, 10*20*900+7, late...)
	tests[len(tests)-1].several = true
	for k := int64(1); k <= 2; k++ {
		for u := range 10 {
			corrected = append(corrected, agentRecord{u, 5400 - 600, 60 * k, 60*k + 2, 111_000 + 11_000*k, 11_000, false})
		}
	}
	add("flows that began on a clock that was ahead, after a restart without state", 0, 220_000, corrected...)
	tests[len(tests)-1].history = 1_110_000
	// Such a flow ends only when the clock comes to its time again, after its baseline was
	// evicted. An end of later times counts its update.
	stamped := append([]agentRecord{{1000, 5410, 5460, 2, 100, 100, false}}, longFlows(1, 105*60, 10, 0, 0)...)
	add("an end stamped before a step", 0, 100+105*10+70, append(stamped,
		agentRecord{1000, 5410, 5460, 105*60 + 3, 100, 100, true},
		agentRecord{1001, -600, 6000, 105*60 + 4, 500, 70, true})...) // older than the bridge
	add("an update that was held, and the end record that repeats it after max_flows evicted the flow", 1, 10+700+500,
		agentRecord{0, 20, 60, 2, 10, 10, false},
		agentRecord{1, -3600, 60 - 1800, 62, 900, 700, false},
		agentRecord{2, -3600, 60 - 1800, 62, 500, 300, false},
		agentRecord{1, -3600, 60 - 1800, 122, 900, 700, true},
		agentRecord{2, -3600, 120 - 1800, 122, 600, 100, false},
		agentRecord{2, -3600, 180 - 1800, 182, 700, 100, false})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, Config{MaxFlows: test.maxFlows})
			if test.several {
				w.AnalyzerUp("b")
			}
			w.known()
			want := test.want
			for _, r := range test.records {
				if test.want == 0 && !r.end { // an end repeats an update
					want += uint64(r.lum)
				}
			}
			w.play(test.records)
			w.want(abBytes, want)
			w.wantMetric("skybridge_records_held", "", 0)
			if got := w.metric("skybridge_history_bytes_total", "after_eviction") + w.metric("skybridge_history_bytes_total", "before_epoch"); test.history != 0 && got != test.history {
				t.Errorf("%v bytes are history, want %v", got, test.history)
			}
		})
	}
}

// TestBegunAfterEvicted proves that the update of a flow which began after those that were
// evicted counts, although a clock that was set back stamps it no later than theirs.
func TestBegunAfterEvicted(t *testing.T) {
	w := newWorld(t, Config{})
	w.play([]agentRecord{
		{1, -3600, 60, 2, 500, 500, true},
		{2, 40, 60, 242, 900, 700, false}, // 3 min back; its first update is lost
	})
	w.want(abBytes, 700)
}

// TestClocksInFeeds plays scripted feeds of agents whose clocks are set, and that are
// cut off and deliver late, at the pace of their updates: what must count counts, series
// by series, and nothing counts twice.
func TestClocksInFeeds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg, view := drawView(r, "the")
		w := newWorld(t, cfg)
		pace := time.Duration(rapid.SampledFrom([]int{10, 60}).Draw(r, "pace")) * time.Second
		feed := script.Write(script.Options{
			Seed:        rapid.Uint64().Draw(r, "seed"),
			Connections: rapid.IntRange(1, 30).Draw(r, "connections"),
			Steps:       rapid.IntRange(1, 25).Draw(r, "steps"), // within flow_retention
			Analyzers:   rapid.IntRange(1, 2).Draw(r, "analyzers"),
			Points:      points(cfg), Clocks: true,
			Step: pace.Milliseconds(), Now: w.time.UnixMilli(),
		})
		several := rapid.Bool().Draw(r, "several") // then first updates wait, too
		if several {
			w.AnalyzerUp("b")
		}
		want := reference.New()
		want.Clocks = true
		w.playFeed(feed, pace, func(flows []analyzer.Flow) { want.Report(flows...) })
		least, most, got := want.Least(true).By(view), want.By(view), w.receiver.increases()
		if several {
			least = nil
		}
		all := maps.Clone(most)
		maps.Copy(all, got)
		for name := range all {
			if n := got[name]; n < least[name] || n > most[name] {
				r.Errorf("%s: counted %d, want %d to %d", name, n, least[name], most[name])
			}
		}
	})
}

// playFeed reports a scripted feed at the pace of its updates, with a tick each 10 s;
// reported gets what each message has.
func (w *world) playFeed(feed *script.Script, pace time.Duration, reported func([]analyzer.Flow)) {
	for _, messages := range append([][]script.Message{feed.Hello}, feed.Steps...) {
		for _, m := range messages {
			reported(m.Flows)
			w.Update(flowsOf(m.Flows))
		}
		for range pace / (10 * time.Second) {
			w.pass(10 * time.Second)
			w.tickNow()
		}
	}
	for range 3 { // also of what has just ended and returns
		w.tick()
	}
}

// TestHeldAcrossCrash proves that held records, and the
// pending step, outlive a crash, by the entries and by a snapshot.
func TestHeldAcrossCrash(t *testing.T) {
	for _, saves := range []bool{false, true} {
		m := knownProcess(t, Config{MaxFlows: 10})
		m.saves = saves
		from, want := m.time, uint64(0)
		for k := int64(1); k <= 10; k++ {
			clock := 60 * k
			if k > 5 {
				clock -= 1800
			}
			for u := range 20 {
				want += 1000
				m.Update([]input.Flow{agentRecord{u, 1, clock, 0, k * 1000, 1000, false}.flow(from)})
			}
			m.pass(45 * time.Second)
			m.tick()
			if k == 6 {
				if m.metric("skybridge_records_held", "") == 0 {
					t.Fatal("nothing is held")
				}
				m.crash(true)
				if m.begin(); m.held == 0 {
					t.Fatal("nothing is held any more")
				}
			}
		}
		m.want("bytes", want)
		m.crash(false)
	}
}

// TestEpochAcrossCrash proves that a capture's epoch outlives a crash where its node's
// clock was set back before and no flow of it has counted yet.
func TestEpochAcrossCrash(t *testing.T) {
	m := knownProcess(t, Config{})
	from := m.time
	m.Update([]input.Flow{agentRecord{0, 1, 60, 0, 100, 100, false}.flow(from)})
	for k := int64(2); k <= 4; k++ {
		m.pass(time.Minute)
		m.Update([]input.Flow{agentRecord{0, 1, 60*k - 1800, 0, 100 * k, 100, false}.flow(from)})
	}
	if n := m.metric("skybridge_agent_clock_steps_total", ""); n != 1 {
		t.Fatalf("%v steps of the clock, want 1", n)
	}
	portless := agentRecord{1, 1, 240 - 1800, 0, 5, 5, false}.flow(from)
	portless.CaptureID, portless.HasTransport = []byte("c2"), false
	m.count(portless)
	m.crash(true)
	m.begin()
	late := agentRecord{2, -2000, 180 - 1800, 0, 1000, 500, false}.flow(from)
	late.CaptureID = []byte("c2")
	m.count(late)
	m.tick()
	m.want("bytes", 400)
	m.crash(false)
}

// TestClockReadTwice proves that a time which was seen before the pending step does not end it:
// late records have such times as well.
func TestClockReadTwice(t *testing.T) {
	c := agentClock{latest: 1_000_000}
	for _, last := range []int64{500_000, 1_000_000, 505_000} {
		if d, _ := c.update(last, time.Second, time.Minute); d != nil || c.pending == nil {
			t.Fatalf("the step is decided at %d", last)
		}
	}
}

// TestEndedFlows proves that the baseline of a flow that has ended stays for as long as
// records of it, or of flows that are as old, may still come.
func TestEndedFlows(t *testing.T) {
	t.Run("another capture reports the end up to flow.expire later", func(t *testing.T) {
		for _, later := range []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute} {
			w := knownWorld(t, Config{})
			w.arrive([2]string{"n1", "c2"})
			f := w.flow("1", 1000, 0)
			w.Update([]input.Flow{f}) // the report of c2 is lost
			w.pass(10 * time.Minute)
			f.FinishType, f.LastUpdate.ABBytes, f.LastUpdate.ABPackets = finishTimeout, 0, 0
			w.Update([]input.Flow{f})
			for range later / testInterval {
				w.tick()
			}
			f.CaptureID = []byte("c2")
			w.count(f)
			w.tick()
			if got := w.total(abBytes); got != 1000 {
				t.Errorf("%s later: counted %d bytes, want 1000", later, got)
			}
		}
	})
	t.Run("a capture that is deleted ends its flows early", func(t *testing.T) {
		w := knownWorld(t, Config{})
		w.arrive([2]string{"n1", "c2"})
		for i := range 3 { // the agent's offset is known
			w.Update([]input.Flow{w.flow(fmt.Sprint("a", i), 0, 0)})
		}
		f := w.flow("1", 1000, 0)
		w.Update([]input.Flow{f}) // the report of c2 is lost
		w.pass(17 * time.Second)
		f.FinishType, f.LastUpdate.ABBytes, f.LastUpdate.ABPackets = finishTimeout, 0, 0
		w.Update([]input.Flow{f})
		for range 190 * time.Second / testInterval {
			w.tick()
		}
		f.CaptureID = []byte("c2")
		w.count(f)
		w.want(abBytes, 1000)
	})
	t.Run("flow.update of 5 min", func(t *testing.T) {
		w := knownWorld(t, Config{})
		long := agentRecord{1, 0, 300, 302, 100, 100, false}.flow(w.time)
		long.LastUpdate.Start = long.Start
		from := w.time
		w.pass(302 * time.Second)
		w.Update([]input.Flow{long}) // the period is known
		// One flow began before the other and is first reported after the other's end,
		// with its second update.
		w.pass(100 * time.Second)
		w.Update([]input.Flow{agentRecord{3, 380, 400, 402, 50, 50, true}.flow(from)})
		for range 17 {
			w.tick()
		}
		w.count(agentRecord{2, 350, 650, 657, 900, 400, false}.flow(from))
		w.want(abBytes, 100+50+900)
	})
}

// TestCapturesApartByAStep proves that a packet which one capture stamped before a step
// of the clock and another one after it counts once.
func TestCapturesApartByAStep(t *testing.T) {
	w := knownWorld(t, Config{})
	w.arrive([2]string{"n1", "c2"})
	w.pass(time.Minute)
	f := w.flow("1", 324, 0)
	w.Update([]input.Flow{f})
	f.UUID, f.CaptureID = []byte("2"), []byte("c2")
	f.Start += 5_400_000
	f.Metric.Start, f.LastUpdate.Start = f.Start, f.Start
	w.count(f)
	w.tick()
	w.want(abBytes, 324)
}
