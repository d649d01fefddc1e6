// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
)

const stateDir = "state"

// crashingProcess is a world whose aggregator crashes and restarts. The log and what is
// behind it, which is the ledger, does not die: a tick is in it whole or not at
// all.
type crashingProcess struct {
	*world
	cfg     Config
	disk    *disktest.Disk
	least   int64 // CheckpointBytes
	last    int64 // time of the log's latest tick
	staged  stagedReceiver
	recover Recovery
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

// Interfaces keeps nothing: they have no state that could survive.
func (s *stagedReceiver) Interfaces([]InterfacePoint) {}

// newCrashingProcess starts the first process on that disk. Snapshots are due at every least
// bytes.
func newCrashingProcess(t testing.TB, cfg Config, disk *disktest.Disk, least int64) *crashingProcess {
	m := &crashingProcess{world: newWorld(t, cfg), disk: disk, least: least}
	m.cfg = m.world.cfg
	m.start()
	for range 2 { // as of a bridge that has run for a while: counters begin
		m.tick()
	}
	return m
}

// knownProcess is a first process that knows the origin of the world's flows.
func knownProcess(t testing.TB, cfg Config, disk *disktest.Disk, least int64) *crashingProcess {
	m := newCrashingProcess(t, cfg, disk, least)
	m.known()
	return m
}

// start starts a process.
func (m *crashingProcess) start() {
	m.t.Helper()
	if m.starts++; m.starts > 1 {
		m.registry = prometheus.NewRegistry()
		var err error
		m.Aggregator, err = New(m.cfg, func() time.Time { return m.time }, m.registry, m.skipped, m.logger)
		if err != nil {
			m.t.Fatal(err)
		}
	}
	recovery, err := m.OpenState(StateConfig{Dir: stateDir, FS: m.disk, LastTick: m.last, CheckpointBytes: m.least}, m.logger)
	if err != nil {
		m.t.Fatal(err)
	}
	m.recover = recovery
	m.receiver.mayReset = m.receiver.mayReset || recovery.ResetReason != ""
	m.AnalyzerUp("a")
}

// tickNow samples a tick, makes it durable, and hands it to the log: unless the
// process has crashed by then.
func (m *crashingProcess) tickNow() (alive bool) {
	at := m.sample()
	if m.disk.Dead() {
		return false
	}
	m.append(at)
	return true
}

// sample is a tick up to where it is durable in the state.
func (m *crashingProcess) sample() (at int64) {
	at = max(m.time.UnixMilli(), m.LastTick()+MinTickGap)
	m.staged.connections, m.staged.captures = nil, nil
	m.Tick(at, testInterval, &m.staged)
	m.Sync()
	return at
}

// idle waits until no snapshot is being made, but one that waits for a tick.
func (m *crashingProcess) idle() {
	d := m.durable
	for {
		d.mu.Lock()
		making := d.making
		d.mu.Unlock()
		m.mu.Lock()
		waiting := d.next != nil
		m.mu.Unlock()
		if !making || waiting {
			return
		}
		runtime.Gosched()
	}
}

// append makes the log have the tick.
func (m *crashingProcess) append(at int64) {
	m.receiver.at, m.last = at, at
	m.receiver.Connections(m.staged.connections)
	m.receiver.Captures(m.staged.captures)
	m.Publish()
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

// dieAt lets the process die at the n-th operation of the disk from now on.
func (m *crashingProcess) dieAt(n int) {
	m.disk.Fail(func(done int, _ disktest.Op, _ string) error {
		if done >= n {
			return disktest.ErrDead
		}
		return nil
	})
}

var errBroken = errors.New("no space left on device")

// breakDisk lets these operations of the disk fail; none named: all.
func (m *crashingProcess) breakDisk(ops ...disktest.Op) {
	m.disk.Fail(func(_ int, op disktest.Op, _ string) error {
		if len(ops) == 0 || slices.Contains(ops, op) {
			return errBroken
		}
		return nil
	})
}

// heal lets the disk work again, and waits until the state is whole.
func (m *crashingProcess) heal() {
	for m.disk.Fail(nil); m.Failure() != nil; m.idle() {
		m.tick()
	}
}

// crash ends the process, after which power is lost or not.
func (m *crashingProcess) crash(power bool) {
	m.disk.Fail(func(int, disktest.Op, string) error { return disktest.ErrDead })
	_ = m.Close() // so that its goroutines end; it changes nothing any more
	if power {
		m.disk.LosePower()
	} else {
		m.disk.Kill()
	}
}

// crashAndStart is a crash and a start after it, at which no counter may reset.
func (m *crashingProcess) crashAndStart(power bool) {
	m.t.Helper()
	m.crash(power)
	if m.start(); m.recover.ResetReason != "" {
		m.t.Fatalf("counters were reset: %s\n%s", m.recover.ResetReason, m.logs.String())
	}
}

// TestCountersContinue proves that a process continues where the one before was:
// however it ended, nothing resets, nothing counts twice, and what was
// carried meanwhile counts.
func TestCountersContinue(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(m *crashingProcess)
	}{
		{"closed", func(m *crashingProcess) {
			if err := m.Close(); err != nil {
				m.t.Error(err)
			}
			m.disk.LosePower()
		}},
		{"killed", func(m *crashingProcess) { m.crash(false) }},
		{"power lost", func(m *crashingProcess) { m.crash(true) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := knownProcess(t, Config{}, disktest.New(1), 1)
			m.count(m.flow("1", 1000, 500))
			f := m.flow("1", 3000, 700)
			f.Metric.RTT = 7
			m.count(f, m.flow("text", 100, 0))
			c.end(m)
			m.pass(time.Hour)
			m.start()
			if r := m.recover; r.ResetReason != "" || r.Connections != 1 || r.Flows != 2 {
				t.Errorf("recovered %+v", r)
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
			m.crash(false)
		})
	}
}

// TestUndoneTick proves that a tick which the log did not get in time is as if
// it had not been: what began has its zero still to come, and what ended its
// stale markers, even where it returned before the crash.
func TestUndoneTick(t *testing.T) {
	m := knownProcess(t, Config{}, disktest.New(1), 1<<20)
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
	again := m.flow("2", 2500, 0)
	again.TransportA = 2
	m.Update([]input.Flow{again})
	m.Sync()
	for bytes := range int64(3) { // the second time, what was taken back is so already
		m.crashAndStart(true)
		again.Metric.ABBytes += bytes
		m.Update([]input.Flow{again})
		m.Sync()
	}
	for range 4 {
		m.tick()
	}
	m.want("bytes", 1000+2503+5)
	m.crash(false)
}

// TestTickThatMayBeSent proves that a tick which the log could not make durable,
// but which receivers may have all the same, is not taken back: its zeros sent
// again would count everything twice.
func TestTickThatMayBeSent(t *testing.T) {
	m := knownProcess(t, Config{}, disktest.New(1), 1<<20)
	m.tick()
	before := m.last
	m.Update([]input.Flow{m.flow("1", 1000, 0)})
	m.pass(testInterval)
	m.append(m.sample())
	m.MarkMaybeSent()
	m.last = before // to the log it did not happen
	m.crash(true)
	m.start()
	m.Update([]input.Flow{m.flow("1", 1500, 0)})
	m.tick() // the ledger fails the test where the counter begins again
	m.want("bytes", 1500)
	m.crash(false)
}

// TestPeriodsSurvive proves that a connection which is reported every few minutes
// does not end after a restart because that was lost.
func TestPeriodsSurvive(t *testing.T) {
	for _, least := range []int64{1, 1 << 20} { // by a snapshot, by the journal
		m := knownProcess(t, Config{}, disktest.New(1), least)
		f := m.flow("1", 1000, 0)
		f.LastUpdate.Start = f.LastUpdate.Last - (8 * time.Minute).Milliseconds()
		m.Update([]input.Flow{f})
		m.restart()
		for range 4 * 7 {
			m.tick()
		}
		if n := m.connections.series; n == 0 {
			t.Errorf("the connection ended while its next update was not due (least %d)", least)
		}
		m.crash(true)
	}
}

// TestStateOlderThanTheLog proves that a state which is older than the log resets, so
// that nothing counts twice, and that it says so.
func TestStateOlderThanTheLog(t *testing.T) {
	disk := disktest.New(1)
	m := knownProcess(t, Config{}, disk, 1<<20)
	m.count(m.flow("1", 1000, 0))
	m.crash(false)
	backup := map[string][]byte{}
	for _, name := range disk.Files() {
		backup[name] = disk.Bytes(name)
	}
	m.start()
	m.count(m.flow("1", 5000, 0))
	m.crash(false)
	for _, name := range disk.Files() {
		if err := disk.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range backup {
		disk.SetBytes(name, data)
	}
	m.start()
	if m.recover.ResetReason == "" || m.recover.Connections != 0 {
		t.Errorf("recovered %+v", m.recover)
	}
	m.wantMetric("skybridge_state_doubts_total", "", 1)
	m.tickNow()
	old := m.flow("1", 6000, 0)
	old.Start -= time.Hour.Milliseconds()
	old.LastUpdate.ABBytes = 1000
	m.count(old)
	m.tick()
	m.tick()
	m.want("bytes", 6000)
	m.crash(false)
}

// TestFailingDisk proves that counting continues while the disk fails every write,
// that the state says so, that a restart meanwhile counts nothing twice, and that
// all is durable again once the disk works.
func TestFailingDisk(t *testing.T) {
	for _, c := range []struct {
		name string
		op   []disktest.Op
	}{
		{"full", []disktest.Op{disktest.Create, disktest.Write}},
		{"sync", []disktest.Op{disktest.Sync}},
		{"all", nil},
	} {
		for _, heals := range []bool{true, false} {
			t.Run(c.name+map[bool]string{true: " and heals", false: " to the end"}[heals], func(t *testing.T) {
				disk := disktest.New(3)
				m := knownProcess(t, Config{}, disk, 1<<20)
				m.count(m.flow("1", 1000, 0))
				m.breakDisk(c.op...)
				m.count(m.flow("1", 3000, 0))
				if !errors.Is(m.Failure(), errBroken) {
					t.Fatalf("trouble: %v", m.Failure())
				}
				m.count(m.flow("1", 4000, 0))
				m.want("bytes", 4000)
				if heals {
					m.heal()
					m.Update([]input.Flow{m.flow("1", 4500, 0)})
				}
				m.crash(true)
				m.pass(time.Second)
				m.start()
				if (m.recover.ResetReason == "") != heals {
					t.Errorf("recovered %+v", m.recover)
				}
				m.crash(false)
			})
		}
	}
}
