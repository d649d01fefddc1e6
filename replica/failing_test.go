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

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

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

// TestDeletedSnapshot proves that a snapshot which is deleted while it is needed is missed, and
// made again.
func TestDeletedSnapshot(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		if err := p.disk.Remove(p.snapshot().Name); err != nil {
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
