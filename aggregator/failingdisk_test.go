// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestSnapshotThatCannotBegin proves that a snapshot which could not even begin
// leaves no gap in the journals: what is written after it is found again.
func TestSnapshotThatCannotBegin(t *testing.T) {
	for _, failing := range []disktest.Op{disktest.Create, disktest.Write, disktest.SyncDir} {
		t.Run(string(failing), func(t *testing.T) {
			disk := disktest.New(1)
			m := knownProcess(t, Config{}, disk, 1<<30)
			failed := false
			disk.Fail(func(_ int, op disktest.Op, name string) error {
				second := name == fileName(stateDir, 2, journalSuffix) || op == disktest.SyncDir
				if second && op == failing && !failed {
					failed = true
					return errBroken
				}
				if strings.HasSuffix(name, partSuffix) { // nor is any whole after it
					return errBroken
				}
				return nil
			})
			m.durable.mu.Lock()
			m.durable.minBytes, m.durable.due = 1, 1 // from here on, and not before
			m.durable.mu.Unlock()
			for i := range int64(8) {
				m.count(m.flow("1", 1000*(i+1), 0))
				m.idle()
			}
			if !failed || m.Failure() != nil {
				t.Fatalf("failed: %v, trouble: %v", failed, m.Failure())
			}
			onDisk := 0
			for _, name := range disk.Files() {
				onDisk += len(disk.Bytes(name))
			}
			if got := m.stateBytes(); got > onDisk || got < onDisk-3*fileHeader {
				t.Errorf("%d bytes of state, on disk are %d", got, onDisk)
			}
			m.crashAndStart(true)
			m.crash(true)
		})
	}
}

// TestRecoveredDiskKeepsItsJournal proves that a journal which waits for its first tick
// when the disk fails is not deleted with what is outdated: the state that heals
// into it would be nowhere.
func TestRecoveredDiskKeepsItsJournal(t *testing.T) {
	disk := disktest.New(1)
	m := knownProcess(t, Config{}, disk, 1)
	m.count(m.flow("1", 1000, 0))
	m.idle() // the next journal waits for a tick
	m.Update([]input.Flow{m.flow("1", 2000, 0)})
	m.breakDisk(disktest.Write)
	m.MarkMaybeSent()
	if m.Failure() == nil {
		t.Fatal("no trouble")
	}
	m.heal()
	m.count(m.flow("1", 3000, 0))
	m.crashAndStart(true)
	m.crash(false)
}

// TestFailureBetweenTicks proves that a journal which failed since the latest sync
// is noticed although the next one begins before the next sync.
func TestFailureBetweenTicks(t *testing.T) {
	disk := disktest.New(1)
	m := knownProcess(t, Config{}, disk, 1)
	m.tick()
	m.idle() // the next journal waits for a tick
	m.durable.writer.abandon(errBroken)
	disk.Fail(func(_ int, _ disktest.Op, name string) error {
		if strings.HasSuffix(name, partSuffix) {
			return errBroken
		}
		return nil
	})
	m.tick()
	m.idle()
	if !errors.Is(m.Failure(), errBroken) {
		t.Errorf("trouble: %v", m.Failure())
	}
	m.heal()
	m.crash(false)
}

// TestCloseOfAFailingDisk proves that a state which a restart could not continue
// from does not outlive the process where the disk takes its deletion.
func TestCloseOfAFailingDisk(t *testing.T) {
	disk := disktest.New(1)
	m := knownProcess(t, Config{}, disk, 1<<20)
	m.tick()
	m.breakDisk()
	m.count(m.flow("1", 2000, 0))
	disk.Fail(nil)
	if err := m.Close(); !errors.Is(err, errBroken) {
		t.Errorf("closed with %v", err)
	}
	if left := disk.Files(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestDiskHoldsNoLock proves that nothing waits for the disk while it deletes an
// outdated state: neither Failure nor the feed.
func TestDiskHoldsNoLock(t *testing.T) {
	disk := disktest.New(1)
	m := knownProcess(t, Config{}, disk, 1<<20)
	m.tick()
	var ops []disktest.Op
	disk.Fail(func(_ int, op disktest.Op, name string) error {
		ops = append(ops, op)
		if op != disktest.Remove {
			return errBroken
		}
		if !m.durable.mu.TryLock() {
			t.Errorf("%s %s: the lock is held during this operation", op, name)
			return nil
		}
		m.durable.mu.Unlock()
		return nil
	})
	m.count(m.flow("1", 2000, 0))
	if !slices.Contains(ops, disktest.Remove) {
		t.Errorf("operations %v: nothing was deleted", ops)
	}
	m.crash(false)
}

// TestDeletedJournal proves that a journal which is deleted under the process is noticed at
// the next tick, and that the state is whole again a little later.
func TestDeletedJournal(t *testing.T) {
	system := disktest.New(1)
	m := knownProcess(t, Config{}, system, 1<<20)
	m.count(m.flow("1", 1000, 0))
	for _, name := range system.Files() {
		if err := system.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	m.count(m.flow("1", 2000, 0))
	if err := m.Failure(); !errors.Is(err, disk.ErrGone) {
		t.Fatalf("trouble %v", err)
	}
	for m.Failure() != nil {
		m.tick()
		m.idle()
	}
	m.count(m.flow("1", 4000, 0))
	m.crashAndStart(false)
	m.tick()
	m.want("bytes", 4000)
	m.crash(false)
}

// TestStartOnAFailingDisk proves that a process which cannot write continues from what
// it found only if no later one can find it too: each would continue from the same
// values and receivers would count what is between them once for each start.
func TestStartOnAFailingDisk(t *testing.T) {
	for _, c := range []struct {
		name      string
		fails     []disktest.Op
		continues bool
		atMost    uint64 // bytes in the end
	}{
		{"read-only", nil, false, 5000},
		{"full", []disktest.Op{disktest.Create, disktest.Write, disktest.Sync, disktest.Truncate, disktest.Rename}, true, 5000},
	} {
		t.Run(c.name, func(t *testing.T) {
			failing := disktest.New(1)
			m := knownProcess(t, Config{}, failing, 1<<20)
			m.count(m.flow("1", 1000, 0))
			m.want("bytes", 1000)
			durable := m.last
			for life := range int64(3) {
				m.crash(false)
				m.last = durable // the log's disk is the same one
				m.breakDisk(c.fails...)
				m.pass(testInterval)
				m.start()
				if first := life == 0; (m.recover.ResetReason == "") != (first && c.continues) {
					t.Errorf("life %d: %+v", life, m.recover)
				}
				if m.Failure() == nil {
					t.Errorf("life %d: no trouble", life)
				}
				m.tick()
				f := m.flow("1", 3000+1000*life, 0)
				f.LastUpdate.ABBytes = 1000 // what came before is history to whom it is new
				m.count(f)
				m.tick()
			}
			if got := m.total("bytes"); got > c.atMost || got <= 1000 {
				t.Errorf("%d bytes arrived of %d", got, c.atMost)
			}
			m.crash(false)
		})
	}
}

// TestFailingDiskWithOtherLabels proves that a process which lets go of what it found,
// after it had read it, is not left with the labels of the former one, nor with its
// busiest connections.
func TestFailingDiskWithOtherLabels(t *testing.T) {
	failing := disktest.New(1)
	m := knownProcess(t, Config{TopK: 3, TopKWindow: time.Minute}, failing, 1<<20)
	m.count(m.flow("1", 1000, 0))
	m.crash(false)
	m.breakDisk()
	m.cfg.Labels = []string{"target_ip"}
	m.start()
	if m.recover.ResetReason == "" {
		t.Fatal("it continues from what no process can remove")
	}
	for i := range int64(5) {
		f := m.flow("1", 3000+i, 0)
		m.count(f)
	}
	if m.top.of != m.connections {
		t.Error("the busiest are those of connections that are gone")
	}
	if _, ok := m.receiver.series["bytes{target_ip=10.0.0.2}"]; !ok {
		t.Errorf("no series of the target:\n%v", m.receiver)
	}
	m.crash(false)
}
