// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// run runs a test with a first process, which has counted something.
func run(t *testing.T, checkpoint int64, test func(t *testing.T, p *process)) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, disktest.New(1), checkpoint)
		defer p.kill(false)
		p.start()
		p.meet()
		p.tick()
		p.report(1, 2)
		p.tick()
		test(t, p)
	})
}

// metric returns the sum of a metric.
func (p *process) metric(name string) (sum float64) {
	families, err := p.registry.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
	if i < 0 {
		p.t.Fatalf("no metric %s", name)
	}
	for _, m := range families[i].Metric {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum
}

// TestContinues proves that a process continues where the one before was, from a snapshot alone,
// and from one with entries behind it, and that what was counted once is not counted by metrics
// twice.
func TestContinues(t *testing.T) {
	for _, closes := range []bool{true, false} {
		run(t, 1<<40, func(t *testing.T, p *process) {
			p.report(1)
			p.report(3)
			p.tick()
			if closes {
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
			}
			p.kill(true)
			time.Sleep(time.Hour)
			p.start()
			if p.found.ResetReason != "" || !p.found.Found || (p.found.Entries == 0) != closes || p.found.Ticks != 0 {
				t.Errorf("recovered %+v", p.found)
			}
			p.tickNow()
			p.report(1, 2, 3)
			p.tick()
			p.want()
			if n := p.metric("skybridge_state_doubts_total"); n != 0 {
				t.Errorf("%v doubts", n)
			}
		})
	}
}

// TestJournalLetsGo proves that snapshots are made as they are due, and that the disk has no
// more than what a restart needs.
func TestJournalLetsGo(t *testing.T) {
	run(t, 2000, func(t *testing.T, p *process) {
		for i := range 200 {
			p.report(i%20+1, 21, 22, 23, 24)
			p.tick()
		}
		if n := p.metric("skybridge_state_snapshots_total"); n < 5 {
			t.Errorf("%v snapshots", n)
		}
		snapshots, onDisk := 0, 0
		for _, name := range p.disk.Files() {
			onDisk += len(p.disk.Bytes(name))
			if strings.HasSuffix(name, snapshotFormat.Suffix) {
				snapshots++
			}
		}
		if snapshots != 1 || int64(onDisk) != p.StateBytes() || float64(onDisk) != p.metric("skybridge_state_bytes") {
			t.Errorf("%d snapshots and %d bytes on disk, %d are known", snapshots, onDisk, p.StateBytes())
		}
		p.kill(true)
		p.start()
		p.report(1)
		p.tick()
		p.want()
	})
}

// TestStateOlderThanTheLog proves that a state which is older than the log of ticks resets, so
// that nothing counts twice, and that it says so.
func TestStateOlderThanTheLog(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.kill(false)
		backup := map[string][]byte{}
		for _, name := range p.disk.Files() {
			backup[name] = p.disk.Bytes(name)
		}
		p.start()
		p.report(1)
		p.tick()
		p.kill(false)
		for _, name := range p.disk.Files() {
			if err := p.disk.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		for name, data := range backup {
			p.disk.SetBytes(name, data)
		}
		before := p.receiver.grown
		p.start()
		if !strings.Contains(p.found.ResetReason, "older than what was sent last") || p.metric("skybridge_state_doubts_total") != 1 {
			t.Errorf("recovered %+v", p.found)
		}
		p.meet()
		p.tick()
		p.report(1)
		p.tick()
		p.tick()
		if grown := p.receiver.grown - before; grown > 100 {
			t.Errorf("%d bytes counted, 100 came", grown)
		}
		p.kill(false)
		if p.start(); p.found.ResetReason != "" {
			t.Errorf("the start after it: %+v", p.found)
		}
	})
}

var errBroken = errors.New("no space left on device")

// breakDisk lets these operations of the disk fail; none named: all.
func (p *process) breakDisk(ops ...disktest.Op) {
	p.disk.Fail(func(_ int, op disktest.Op, _ string) error {
		if len(ops) == 0 || slices.Contains(ops, op) {
			return errBroken
		}
		return nil
	})
}

// TestFailingDisk proves that counting continues while the disk fails, that it is said, that a
// restart meanwhile counts nothing twice, and that all is durable again once the disk works.
func TestFailingDisk(t *testing.T) {
	for name, ops := range map[string][]disktest.Op{"full": {disktest.Create, disktest.Write}, "sync": {disktest.Sync}, "all": nil} {
		for _, heals := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s heals %v", name, heals), func(t *testing.T) {
				run(t, 1<<40, func(t *testing.T, p *process) {
					p.breakDisk(ops...)
					for range 10 { // retries fail as well
						p.report(1, 3)
						p.tick()
						if !errors.Is(p.Failure(), errBroken) {
							t.Fatalf("failure: %v", p.Failure())
						}
					}
					p.want()
					if heals {
						p.disk.Fail(nil)
						for p.Failure() != nil {
							p.report(2)
							p.tick()
						}
						p.report(4)
						p.tick()
					}
					p.kill(true)
					time.Sleep(time.Second)
					p.start()
					if (p.found.ResetReason == "") != heals {
						t.Errorf("recovered %+v", p.found)
					}
					if heals {
						p.tickNow()
						p.report(1, 2, 3, 4)
						p.tick()
						p.tick() // of what was ending
						p.want()
					}
				})
			})
		}
	}
}

// TestCloseOfAFailingDisk proves that a state which a restart could not continue from does not
// outlive the process where the disk takes its deletion.
func TestCloseOfAFailingDisk(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.breakDisk(disktest.Create, disktest.Write)
		p.report(1)
		p.tick()
		if err := p.Close(); !errors.Is(err, errBroken) {
			t.Errorf("closed with %v", err)
		}
		for _, name := range p.disk.Files() {
			if strings.HasSuffix(name, snapshotFormat.Suffix) {
				t.Errorf("left: %s", name)
			}
		}
	})
}

// TestJournalBound proves that the journal is bounded where no snapshot can be written.
func TestJournalBound(t *testing.T) {
	run(t, 1000, func(t *testing.T, p *process) {
		p.store.MaxBytes = 20_000
		p.disk.Fail(func(_ int, _ disktest.Op, name string) error {
			if strings.HasSuffix(name, snapshotFormat.Suffix+disk.NewSuffix) {
				return errBroken
			}
			return nil
		})
		for i := 0; p.Failure() == nil; i++ {
			if p.report(1, 2, 3); i > 1000 {
				t.Fatal("no bound")
			}
			p.tick()
		}
		if text := p.Failure().Error(); !strings.Contains(text, "storage.max_bytes") {
			t.Error(text)
		}
		p.disk.Fail(nil)
		for p.Failure() != nil {
			p.tick()
		}
		for range 20 {
			p.report(1, 2, 3)
			p.tick()
		}
		p.kill(true)
		p.start()
		p.report(1)
		p.tick()
		p.want()
	})
}

// TestFailureDuringACheckpoint proves that a journal which fails again while the disk seems to
// have recovered is still said to fail, and that the snapshot of that moment is not continued.
func TestFailureDuringACheckpoint(t *testing.T) {
	for _, op := range []disktest.Op{disktest.Rename, disktest.Remove} {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(t, disktest.New(1), 1<<40)
			defer p.kill(false)
			var armed atomic.Bool
			fired := make(chan struct{})
			p.config.FS = disktest.Intercept(p.disk, func(is disktest.Op, name string, run func() error) error {
				if is == op && strings.HasSuffix(name, snapshotFormat.Suffix) && p.making() && armed.CompareAndSwap(true, false) {
					defer close(fired)
					p.breakDisk(disktest.Write, disktest.Create)
					p.report(2)
					time.Sleep(time.Second) // the journal fails now
					p.report(2)             // and that is noticed
				}
				return run()
			})
			p.config.LastTick = -1 // the log is on that disk as well
			p.start()
			p.meet()
			p.tick()
			p.report(1, 2)
			p.tick()
			p.breakDisk(disktest.Write, disktest.Create)
			p.report(1)
			p.tick()
			p.disk.Fail(nil)
			armed.Store(true)
			for over := false; !over; {
				p.tick()
				select {
				case <-fired:
					over = true
				default:
				}
				if op == disktest.Remove && p.Failure() == nil { // there is nothing to remove before the second
					p.store.mu.Lock()
					p.store.due = 0
					p.store.mu.Unlock()
				}
			}
			for range 5 {
				p.report(1, 2)
				p.tick()
			}
			if p.Failure() == nil {
				t.Fatal("it does not fail")
			}
			p.kill(true)
			p.config.FS, p.receiver.mayReset = p.disk, true
			if p.start(); p.found.ResetReason == "" {
				t.Errorf("%s: recovered %+v", op, p.found)
			}
		})
	}
}

// making reports whether a snapshot is being made.
func (p *process) making() bool {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	return p.store.making
}

// TestOlderVersionSince proves that a state is not continued where an older version, which knows
// nothing of it, has counted since.
func TestOlderVersionSince(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p.disk.SetBytes("state/00000001.journal", []byte("of an older version"))
		p.config.Former = "state"
		if p.start(); !strings.Contains(p.found.ResetReason, "older version") {
			t.Errorf("recovered %+v", p.found)
		}
		p.kill(false)
		if p.start(); p.found.ResetReason != "" {
			t.Errorf("recovered %+v after that", p.found)
		}
	})
}

// TestDeletedSnapshot proves that a snapshot which is deleted while it is needed is missed, and
// made again.
func TestDeletedSnapshot(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		numbers, err := listSnapshots(p.disk, dir)
		if err == nil {
			err = p.disk.Remove(snapshotName(dir, numbers[0]))
		}
		if err != nil {
			t.Fatal(err)
		}
		p.report(1)
		if p.tick(); !errors.Is(p.Failure(), disk.ErrGone) {
			t.Fatalf("failure: %v", p.Failure())
		}
		for p.Failure() != nil {
			p.tick()
		}
		p.kill(true)
		p.start()
		p.report(1, 2)
		p.tick()
		p.want()
	})
}

// TestCloseLeavesLittle proves that a start after a proper stop has no journal to read.
func TestCloseLeavesLittle(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		for range 50 {
			p.report(1, 2, 3)
			p.tick()
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range p.disk.Files() {
			if n := len(p.disk.Bytes(name)); !strings.HasSuffix(name, snapshotFormat.Suffix) && n > disk.HeaderSize {
				t.Errorf("%s has %d bytes", name, n)
			}
		}
	})
}

// TestResetTwice proves that a process which was killed right after a reset is continued.
func TestResetTwice(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.kill(false)
		numbers, err := listSnapshots(p.disk, dir)
		if err == nil {
			err = p.disk.Remove(snapshotName(dir, numbers[0]))
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.start(); p.found.ResetReason == "" {
			t.Fatalf("recovered %+v", p.found)
		}
		p.kill(true)
		if p.start(); p.found.ResetReason != "" {
			t.Errorf("recovered %+v", p.found)
		}
	})
}

// TestStartThatCannotRead proves that a disk which does not answer at the start takes nothing
// away.
func TestStartThatCannotRead(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.kill(false)
		p.config.FS = disktest.Intercept(p.disk, func(op disktest.Op, name string, run func() error) error {
			if op == disktest.Open && strings.HasSuffix(name, snapshotFormat.Suffix) {
				return errBroken
			}
			return run()
		})
		if err := p.open(); !errors.Is(err, errBroken) {
			t.Errorf("%v, recovered %+v", err, p.found)
		}
		p.config.FS = p.disk
		if p.start(); p.found.ResetReason != "" {
			t.Errorf("recovered %+v", p.found)
		}
	})
}

// TestStartOnADiskThatCannotBeWritten proves that counters continue in memory, and that the start
// after that one continues from nothing: its files would be old.
func TestStartOnADiskThatCannotBeWritten(t *testing.T) {
	for _, removes := range []bool{true, false} {
		run(t, 1<<40, func(t *testing.T, p *process) {
			p.kill(false)
			ops := []disktest.Op{disktest.Create, disktest.Write, disktest.Sync}
			if !removes {
				ops = append(ops, disktest.Remove)
			}
			p.breakDisk(ops...)
			p.start()
			if (p.found.ResetReason == "") != removes || !errors.Is(p.Failure(), errBroken) {
				t.Errorf("recovered %+v, failure: %v", p.found, p.Failure())
			}
			p.tickNow()
			p.report(1)
			p.tick()
			p.kill(true)
			if p.start(); p.found.ResetReason == "" {
				t.Errorf("recovered %+v", p.found)
			}
		})
	}
}

// TestDamage changes each byte of the files in turn, and proves that a start continues with what
// was sent or resets the counters with a reason.
func TestDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, disktest.New(1), 1<<40)
		p.start()
		p.meet()
		p.tick()
		p.report(1)
		p.tick()
		p.report(1)
		synctest.Wait()
		p.kill(false)
		files, receiver := p.disk.Files(), *p.receiver
		resets, continued := 0, 0
		for _, name := range files {
			was := p.disk.Bytes(name)
			for at := 0; at < len(was); at += 7 {
				q := newProcess(t, disktest.New(1), 1<<40)
				for _, other := range files {
					content := slices.Clone(p.disk.Bytes(other))
					if other == name {
						content[at] ^= 0x41
					}
					q.disk.SetBytes(other, content)
				}
				q.receiver.last, q.receiver.mayReset = receiver.last, true
				if err := q.open(); err != nil {
					if !errors.Is(err, disk.ErrNewer) {
						t.Errorf("%s at %d: %v", name, at, err)
					}
					continue
				}
				if q.found.ResetReason != "" {
					resets++
				} else if continued++; q.aggregator.LastTick() < receiver.last {
					t.Errorf("%s at %d: continues from %d", name, at, q.aggregator.LastTick())
				}
				q.kill(false)
			}
		}
		if resets == 0 || continued == 0 {
			t.Errorf("%d resets, %d continue", resets, continued)
		}
	})
}

// otherRules has the snapshot say that other counting rules made it.
func (p *process) otherRules() {
	p.t.Helper()
	numbers, err := listSnapshots(p.disk, dir)
	if err != nil || len(numbers) != 1 {
		p.t.Fatal(numbers, err)
	}
	r, h, err := openSnapshot(p.disk, dir, numbers[0])
	if err != nil {
		p.t.Fatal(err)
	}
	h.Rules++
	var blocks [][]byte
	for block, err := r.next(); err == nil; block, err = r.next() {
		blocks = append(blocks, slices.Clone(block))
	}
	if _, err := writeSnapshot(p.disk, dir, h, func() ([]byte, bool) {
		if len(blocks) == 0 {
			return nil, false
		}
		block := blocks[0]
		blocks = blocks[1:]
		return block, true
	}, func() bool { return false }); err != nil {
		p.t.Fatal(err)
	}
}

// TestOtherRules proves that a state with entries to apply, made by other counting rules, resets
// the counters.
func TestOtherRules(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.kill(false)
		p.otherRules()
		p.start()
		if !strings.Contains(p.found.ResetReason, "counting rules") {
			t.Errorf("recovered %+v", p.found)
		}
	})
}

// TestUpgradeOfRules proves that one without continues, wherever its first starts were killed.
func TestUpgradeOfRules(t *testing.T) {
	for _, power := range []bool{false, true} {
		for point, done := 0, false; !done; point++ {
			run(t, 1<<40, func(t *testing.T, p *process) {
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
				p.otherRules()
				p.disk.Fail(func(n int, _ disktest.Op, _ string) error {
					if n >= point {
						return disktest.ErrDead
					}
					return nil
				})
				_ = p.open()
				done = !p.disk.Dead()
				p.kill(power)
				p.start()
				if p.found.ResetReason != "" {
					t.Fatalf("power %v, point %d: %+v", power, point, p.found)
				}
				p.report(1, 2)
				p.tick()
				p.want()
			})
		}
	}
}

// TestSmallBound proves that a snapshot is due well before the journal is at its bound.
func TestSmallBound(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p.config.MaxBytes = 8000
		p.start()
		for range 200 {
			p.report(1, 2, 3)
			p.tick()
		}
		if n := p.metric("skybridge_state_snapshots_total"); p.metric("skybridge_state_troubles_total") > 0 || n < 5 {
			t.Errorf("%v snapshots\n%s", n, &p.logs)
		}
		p.want()
	})
}

// TestFormerStateOnAFailingDisk proves that a former state which was continued is not continued
// again: receivers have later values.
func TestFormerStateOnAFailingDisk(t *testing.T) {
	for _, removes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			const last = 1_800_000_105_000 // of the fixture's log
			p := newProcess(t, disktest.New(1), 1<<40)
			content, err := os.ReadFile("../aggregator/former/testdata/torn/00000001.journal")
			if err != nil {
				t.Fatal(err)
			}
			p.disk.SetBytes("state/00000001.journal", content)
			p.config.Former, p.receiver.last = "state", last
			ops := []disktest.Op{disktest.Create, disktest.Write, disktest.Sync}
			if !removes {
				ops = append(ops, disktest.Remove)
			}
			p.breakDisk(ops...)
			p.start()
			if !p.found.Found || (p.found.ResetReason == "") != removes {
				t.Errorf("recovered %+v", p.found)
			}
			p.kill(true)
			p.start()
			if removes && p.found.ResetReason == "" {
				t.Errorf("it is continued again: %+v", p.found)
			}
			for p.Failure() != nil {
				p.tick()
			}
			if slices.Contains(p.disk.Files(), "state/00000001.journal") {
				t.Error("it is still there")
			}
			p.kill(false)
		})
	}
}

// TestFilesThatCannotBeRead proves that a start refuses what an operator can correct.
func TestFilesThatCannotBeRead(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.kill(false)
		for _, name := range p.disk.Files() {
			p.config.FS = disktest.Forbidding(p.disk, name)
			if err := p.open(); err == nil || !strings.Contains(err.Error(), "chown") {
				t.Errorf("%s: %v", name, err)
			}
		}
		p.config.FS = p.disk
		for _, name := range p.disk.Files() {
			content := p.disk.Bytes(name)
			copy(content, disk.AppendHeader(nil, string(content[:8]), 99, 1))
			p.disk.SetBytes(name, content)
		}
		if err := p.open(); !errors.Is(err, disk.ErrNewer) {
			t.Errorf("%v", err)
		}
	})
}
