// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// latest keeps the newest record of every flow, to report it once more.
type latest struct {
	index map[[2]string]int
	flows []analyzer.Flow
}

func (l *latest) report(records []analyzer.Flow) {
	if l.index == nil {
		l.index = map[[2]string]int{}
	}
	for _, f := range records {
		id := [2]string{f.UUID, f.CaptureID}
		i, ok := l.index[id]
		if !ok {
			i = len(l.flows)
			l.index[id] = i
			l.flows = append(l.flows, f)
		}
		if have := l.flows[i].Metric; f.Metric.ABBytes+f.Metric.ABPackets+f.Metric.BABytes+f.Metric.BAPackets >= have.ABBytes+have.ABPackets+have.BABytes+have.BAPackets {
			l.flows[i] = f
		}
	}
}

// presence returns a record of every node and capture of a feed that sets its
// epoch, on the agent's clock before any flow of its steps begins: a
// crash must not take that, nor history what passed since.
func presence(feed *script.Script) (records []analyzer.Flow) {
	before := map[string]bool{}
	for _, m := range feed.Hello {
		for _, f := range m.Flows {
			before[f.UUID] = true
		}
	}
	index := map[[2]string]int{}
	for _, messages := range feed.Steps {
		for _, m := range messages {
			for _, f := range m.Flows {
				if before[f.UUID] {
					continue
				}
				id := [2]string{f.NodeTID, f.CaptureID}
				i, ok := index[id]
				if !ok {
					i = len(records)
					index[id] = i
					records = append(records, analyzer.Flow{UUID: "1", NodeTID: f.NodeTID, CaptureID: f.CaptureID, Start: f.Start})
				}
				records[i].Start = min(records[i].Start, f.Start)
			}
		}
	}
	for i := range records {
		f := &records[i]
		f.Start -= 1000
		f.Metric, f.LastUpdateMetric = &analyzer.Metric{}, &analyzer.Metric{Start: f.Start, Last: f.Start + 999}
	}
	return records
}

// TestExactnessAcrossCrashes plays scripted feeds to processes that are killed or
// lose their power between any two operations of the disk, and holds the
// receiver's sums against the reference, series by series. After each crash the
// feed reports every flow once more, and names have to be learned again.
func TestExactnessAcrossCrashes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg, view := drawView(r, "the")
		cfg.ConnectionTimeout = time.Duration(rapid.IntRange(1, 60).Draw(r, "timeout")) * time.Second
		drawBounds(r, &cfg)
		names := drawNames(r, &cfg)
		m := newCrashingProcess(t, cfg)
		defer m.crash(false)
		feed := script.Write(script.Options{
			Seed:        rapid.Uint64().Draw(r, "seed"),
			Connections: rapid.IntRange(1, 40).Draw(r, "connections"),
			Steps:       rapid.IntRange(1, 30).Draw(r, "steps"),
			Analyzers:   rapid.IntRange(1, 3).Draw(r, "analyzers"),
			Points:      points(cfg),
			Now:         m.time.UnixMilli(),
		})
		want, all := reference.New(), &latest{}
		var rest []script.Message
		send := func() {
			flows := rest[0].Flows
			rest = rest[1:]
			want.Report(flows...)
			all.report(flows)
			names.change(m.world)
			m.Update(flowsOf(flows))
		}
		m.staged.between = func() {
			for len(rest) > 0 && rapid.Bool().Draw(r, "meanwhile") {
				send()
			}
		}
		restart := func(power bool) {
			m.crash(power)
			m.pass(time.Duration(rapid.IntRange(0, 100_000).Draw(r, "down")) * time.Millisecond)
			m.begin()
			between := m.staged.between
			m.staged.between = nil // values as they were before any new record
			m.pass(3 * time.Millisecond)
			if !m.tickNow() {
				r.Fatal("dead at once")
			}
			checkBounds(r, m.Aggregator)
			m.staged.between = between
			m.Update(flowsOf(all.flows))
		}
		play := func(messages []script.Message, mayDie bool) {
			for rest = messages; len(rest) > 0; {
				if mayDie && rapid.IntRange(0, 9).Draw(r, "fate") == 0 {
					at := rapid.IntRange(0, 12).Draw(r, "dies at operation")
					m.dieAt(at)
				}
				send()
				if rapid.IntRange(0, 3).Draw(r, "tick") == 0 {
					m.pass(time.Duration(rapid.IntRange(2, 20_000).Draw(r, "ms")) * time.Millisecond)
					m.tickNow()
				}
				if m.dead() {
					restart(rapid.Bool().Draw(r, "power"))
				}
			}
		}
		play(feed.Hello, false)
		play([]script.Message{{Flows: presence(feed)}}, false)
		if !m.tickNow() {
			r.Fatal("dead without a reason")
		}
		for _, messages := range feed.Steps {
			play(messages, true)
		}
		m.dieAt(-1)
		if m.dead() {
			restart(true)
		}
		for range 3 { // also of what has just ended and returns
			m.tick()
		}
		checkBounds(r, m.Aggregator)
		if diff := cmp.Diff(judged(cfg, want.By(view)), judged(cfg, m.receiver.increases())); diff != "" {
			r.Fatalf("after %d lives the receiver's sums differ from what was reported (-want +got):\n%s", m.starts, diff)
		}
	})
}

// TestHistoryAfterCrash proves what docs/explanation/durability.md says of flows whose
// first report a loss of power took: one that began after the epoch counts whole when
// it is reported again, of an older one only the last update.
func TestHistoryAfterCrash(t *testing.T) {
	for _, c := range []struct {
		name  string
		older bool
		want  uint64
	}{
		{"after the epoch", false, 1500},
		{"before the epoch", true, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newCrashingProcess(t, Config{})
			defer m.crash(false)
			m.known()
			m.tick()
			f := m.flow("1", 1000, 0)
			if c.older {
				f.Start -= time.Hour.Milliseconds()
			}
			m.Update([]input.Flow{f})
			m.crash(true)
			m.begin()
			m.pass(time.Minute)
			m.count(m.grown(f, 1500))
			m.want("bytes", c.want)
		})
	}
}

// TestPendingStepAfterRestart proves that a restart gives late records the time again in which
// a record shows that they are late: what had shown it may be lost with the former process, and
// until then they must not count as those of a clock that was set back.
func TestPendingStepAfterRestart(t *testing.T) {
	m := knownProcess(t, Config{})
	defer m.crash(false)
	m.count(m.flow("2", 100, 0))
	late := m.flow("9", 5000, 0)
	late.Start -= time.Hour.Milliseconds()
	late.LastUpdate.ABBytes = 700
	late.LastUpdate.Last = m.origins.byKey[originKey{"n1", "c1"}].epoch - 20_000
	m.count(late)
	if m.held != 1 {
		t.Fatalf("%d records are held", m.held)
	}
	for range 10 { // the decision is overdue
		m.tick()
	}
	m.crash(true)
	m.begin()
	m.Update([]input.Flow{late})
	m.count(m.flow("1", 1000, 0))
	m.want(abBytes, 1100)
	m.wantMetric("skybridge_records_held", "", 0)
}

// TestEndedConnectionAfterRestart proves that a connection whose stale markers came with the
// last tick before a restart, and which returns right after it, begins later than that.
func TestEndedConnectionAfterRestart(t *testing.T) {
	m := knownProcess(t, Config{})
	defer m.crash(false)
	f := m.flow("1", 1000, 0)
	m.count(f)
	for m.connections.ended == nil {
		m.tick()
	}
	m.crash(false)
	m.begin()
	other := m.flow("2", 10, 0)
	other.TransportA++
	m.Update([]input.Flow{other}) // sweeps
	m.Update([]input.Flow{m.grown(f, 1500)})
	m.tick()
	m.tick()
	m.want(abBytes, 1510)
}
