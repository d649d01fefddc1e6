// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/input"
)

// crashingProcess is a world whose aggregator crashes and restarts: another one continues from
// the entries that were recorded. The log of ticks and what is behind it, which is the
// receiver, does not die: a tick is in it whole or not at all.
type crashingProcess struct {
	*world
	cfg     Config
	entries [][]byte
	synced  int    // entries that a loss of power leaves
	saves   bool   // a snapshot after each tick
	saved   []byte // the latest snapshot; nil: none
	saveAt  int    // how many entries it has
	inForce []byte // the configuration of then
	applied []byte // the latest configuration
	lives   int    // how many entries and syncs later the process dies; negative: it does not
	last    int64  // time of the log's latest tick
	staged  stagedReceiver
	starts  int
}

// stagedReceiver is an Emitter that keeps a tick until the log has it.
type stagedReceiver struct {
	connections []Point
	captures    []CapturePoint
	between     func()
}

func (s *stagedReceiver) Connections(points []Point) {
	s.connections = append(s.connections, points...)
	if s.between != nil {
		s.between()
	}
}

func (s *stagedReceiver) Captures(points []CapturePoint) { s.captures = append(s.captures, points...) }

// Interfaces keeps nothing: what they count is not judged.
func (s *stagedReceiver) Interfaces([]InterfacePoint) {}

// newCrashingProcess starts the first process.
func newCrashingProcess(t testing.TB, cfg Config) *crashingProcess {
	m := &crashingProcess{world: newWorld(t, cfg), lives: -1}
	m.cfg = m.world.cfg
	m.begin()
	for range 2 { // as of a bridge that has run for a while: counters begin
		m.tick()
	}
	return m
}

// knownProcess is a first process that knows the origin of the world's flows.
func knownProcess(t testing.TB, cfg Config) *crashingProcess {
	m := newCrashingProcess(t, cfg)
	m.known()
	return m
}

// begin starts a process.
func (m *crashingProcess) begin() {
	m.t.Helper()
	m.starts++
	m.record = nil
	m.registry = prometheus.NewRegistry()
	m.Aggregator = New(m.registry, m.skipped, m.logger)
	if m.starts == 1 {
		m.record = m.append
		if err := m.Configure(m.cfg); err != nil {
			m.t.Fatal(err)
		}
	}
	m.replay()
	m.record = m.append
	defer func() {
		if m.starts > 1 && !m.Renames(m.cfg) {
			if err := m.Configure(m.cfg); err != nil {
				m.t.Fatal(err)
			}
		}
	}()
	m.must(input.Entry{Kind: input.KindStart, Start: input.Start{Key: [16]byte{1}, At: m.time.UnixMilli(), Sent: m.last}})
	m.AnalyzerUp("a")
}

// replay applies what was recorded, and sends the ticks that the log lacks.
func (m *crashingProcess) replay() {
	m.synced = len(m.entries) // before anything is sent
	between := m.staged.between
	m.staged.between = nil
	defer func() { m.staged.between = between }()
	if m.saved != nil {
		if err := m.Apply(&input.Entry{Kind: input.KindConfigure, Configuration: m.inForce}); err != nil {
			m.t.Fatal(err)
		}
		if err := restore(m.Aggregator, m.saved); err != nil {
			m.t.Fatal(err)
		}
	}
	var codec input.Codec
	var e input.Entry
	for _, text := range m.entries[m.saveAt:] {
		if err := codec.Decode(text, &e); err != nil {
			m.t.Fatal(err)
		}
		_ = m.Apply(&e) // as when it was recorded
		switch {
		case e.Kind != input.KindTick:
		case e.Tick.At <= m.last:
			m.Sample(nil)
		default:
			m.stage()
			m.send(e.Tick.At)
		}
	}
}

// alive counts an operation, and reports whether the process lives. The caller holds applying.
func (m *crashingProcess) alive() bool {
	if m.lives > 0 {
		m.lives--
	}
	return m.lives != 0
}

func (m *crashingProcess) append(e *input.Entry) {
	if m.alive() {
		if e.Kind == input.KindConfigure {
			m.applied = e.Configuration
		}
		var codec input.Codec
		m.entries = append(m.entries, codec.Append(nil, e))
	}
}

// Sync lets what was recorded survive a loss of power.
func (m *crashingProcess) Sync() {
	m.applying.Lock()
	defer m.applying.Unlock()
	if m.alive() {
		m.synced = len(m.entries)
	}
}

// dieAt lets a process that is alive die so many entries and syncs later; negative: not.
func (m *crashingProcess) dieAt(n int) {
	if !m.dead() {
		m.lives = n
	}
}

func (m *crashingProcess) dead() bool { return m.lives == 0 }

// tickNow samples a tick, makes it durable, and hands it to the log: unless the process has
// died by then.
func (m *crashingProcess) tickNow() (alive bool) {
	at := m.sample()
	m.applying.Lock()
	alive = m.alive()
	m.applying.Unlock()
	if !alive {
		return false
	}
	m.send(at)
	if m.saves {
		m.save()
	}
	return true
}

// save takes a snapshot, which is durable at once.
func (m *crashingProcess) save() {
	m.applying.Lock()
	defer m.applying.Unlock()
	m.saved, m.saveAt, m.synced, m.inForce = stateOf(m.Aggregator), len(m.entries), len(m.entries), m.applied
}

// sample is a tick up to where its entry is durable.
func (m *crashingProcess) sample() (at int64) {
	at = max(m.time.UnixMilli(), m.LastTick()+MinTickGap)
	m.must(input.Entry{Kind: input.KindTick, Tick: input.Tick{At: at, Interval: testInterval.Milliseconds(), Wall: m.time.UnixMilli()}})
	m.stage()
	m.Sync()
	return at
}

// stage samples the running tick.
func (m *crashingProcess) stage() {
	m.staged.connections, m.staged.captures = nil, nil
	m.Sample(&m.staged)
}

// send makes the log have the tick. A receiver that has had it refuses it.
func (m *crashingProcess) send(at int64) {
	m.Publish()
	if m.last = at; at <= m.receiver.at {
		return
	}
	m.receiver.at = at
	m.receiver.Connections(m.staged.connections)
	m.receiver.Captures(m.staged.captures)
}

func (m *crashingProcess) tick() {
	m.pass(testInterval)
	m.tickNow()
}

func (m *crashingProcess) count(flows ...input.Flow) {
	m.Update(flows)
	m.tick()
}

func (m *crashingProcess) endAll() {
	for m.EndAll(true) > 0 {
		m.pass(MinTickGap * time.Millisecond)
		m.tickNow()
	}
}

// crash ends the process, after which power is lost or not.
func (m *crashingProcess) crash(power bool) {
	if m.lives, m.Aggregator = -1, nil; power {
		m.entries = m.entries[:m.synced]
	}
}

// crashAndStart is a crash and a start after it.
func (m *crashingProcess) crashAndStart(power bool) {
	m.t.Helper()
	m.crash(power)
	m.begin()
}

// TestCountersContinue proves that a process continues where the one before was:
// however it ended, nothing resets, nothing counts twice, and what was
// carried meanwhile counts.
func TestCountersContinue(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(m *crashingProcess)
	}{
		{"saved", func(m *crashingProcess) { m.save(); m.crash(true) }},
		{"killed", func(m *crashingProcess) { m.crash(false) }},
		{"power lost", func(m *crashingProcess) { m.crash(true) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := knownProcess(t, Config{})
			m.count(m.flow("1", 1000, 500))
			f := m.flow("1", 3000, 700)
			f.Metric.RTT = 7
			m.count(f, m.flow("text", 100, 0))
			c.end(m)
			m.pass(time.Hour)
			m.begin()
			if m.connections.records.used != 1 || m.baselines.records.used != 2 {
				t.Errorf("recovered %d connections, %d flows", m.connections.records.used, m.baselines.records.used)
			}
			m.tickNow()
			f = m.flow("1", 3001, 700)
			f.Metric.RTT = 8
			m.count(f)
			// 3001+700 of the one, 100 of the other.
			m.want("bytes", 3801)
			name := "bytes" + labelText(m.row(m.connections.records.at(0), 0), 0)
			zeros := 0
			for _, s := range m.receiver.series[name] {
				if s.value == 0 && !s.stale {
					zeros++
				}
			}
			if zeros != 1 {
				t.Errorf("%d zeros, want 1: %v", zeros, m.receiver.series[name])
			}
		})
	}
}

// TestTickThatTheLogLacks proves that a tick which the log did not get in time is made again,
// point by point, also where what ended in it had returned before the crash.
func TestTickThatTheLogLacks(t *testing.T) {
	m := knownProcess(t, Config{})
	idle, back := m.flow("1", 1000, 0), m.flow("2", 2000, 0)
	back.TransportA = 2
	m.Update([]input.Flow{idle, back})
	m.Stats(input.CaptureStats{CaptureID: []byte("c1"), FlowDropped: 10})
	for range 4 {
		m.tick()
	}
	m.pass(testInterval)
	fresh := m.flow("3", 5, 0)
	fresh.TransportA = 3
	m.Update([]input.Flow{fresh})
	m.sample() // idle and back end, fresh begins
	ends := 0
	for _, p := range m.staged.connections {
		if p.End {
			ends++
		}
	}
	if ends != 2 {
		t.Fatalf("%d connections end, want 2", ends)
	}
	want := m.staged
	again := m.flow("2", 2500, 0)
	again.TransportA = 2
	m.Update([]input.Flow{again})
	m.Sync()
	for bytes := range int64(3) { // the second time, the log has it
		m.crashAndStart(true)
		if diff := cmp.Diff(want, m.staged, cmp.AllowUnexported(stagedReceiver{})); diff != "" {
			t.Fatalf("the tick that was made again differs (-want +got):\n%s", diff)
		}
		again.Metric.ABBytes += bytes
		m.Update([]input.Flow{again})
		m.Sync()
	}
	for range 4 {
		m.tick()
	}
	m.want("bytes", 1000+2503+5)
}

// TestPeriodsSurvive proves that a connection which is reported every few minutes
// does not end after a restart because that was lost.
func TestPeriodsSurvive(t *testing.T) {
	for _, saves := range []bool{false, true} {
		m := knownProcess(t, Config{})
		m.saves = saves
		f := m.flow("1", 1000, 0)
		f.LastUpdate.Start = f.LastUpdate.Last - (8 * time.Minute).Milliseconds()
		m.Update([]input.Flow{f})
		m.restart()
		for range 4 * 7 {
			m.tick()
		}
		if n := m.connections.series; n == 0 {
			t.Errorf("the connection ended while its next update was not due (saves %v)", saves)
		}
		m.crash(true)
	}
}
