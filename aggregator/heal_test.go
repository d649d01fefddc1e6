// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/internal/disktest"
)

var errBroken = errors.New("no space left on device")

// TestSnapshotThatCannotBegin proves that a snapshot which could not even begin
// leaves no gap in the journals: what is written after it is found again.
func TestSnapshotThatCannotBegin(t *testing.T) {
	for _, failing := range []disktest.Op{disktest.Create, disktest.Write, disktest.SyncDir} {
		t.Run(string(failing), func(t *testing.T) {
			disk := disktest.New(1)
			m := newMortal(t, Config{}, disk, 1<<30)
			m.known()
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
				m.Update([]Flow{m.flow("1", 1000*(i+1), 0)})
				m.tick()
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
			m.die(true)
			m.begin()
			if m.recover.ResetReason != "" {
				t.Errorf("began anew: %s", m.recover.ResetReason)
			}
			m.die(true)
		})
	}
}

// TestHealingKeepsItsJournal proves that a journal which waits for its first tick
// when the disk fails is not deleted with what is outdated: the state that heals
// into it would be nowhere.
func TestHealingKeepsItsJournal(t *testing.T) {
	disk := disktest.New(1)
	m := newMortal(t, Config{}, disk, 1)
	m.known()
	m.Update([]Flow{m.flow("1", 1000, 0)})
	m.tick()
	m.idle() // the next journal waits for a tick
	m.Update([]Flow{m.flow("1", 2000, 0)})
	disk.Fail(func(_ int, op disktest.Op, _ string) error {
		if op == disktest.Write {
			return errBroken
		}
		return nil
	})
	m.MarkMaybeSent()
	if m.Failure() == nil {
		t.Fatal("no trouble")
	}
	disk.Fail(nil)
	for m.Failure() != nil {
		m.tick()
		m.idle()
	}
	m.Update([]Flow{m.flow("1", 3000, 0)})
	m.tick()
	m.die(true)
	m.begin()
	if m.recover.ResetReason != "" {
		t.Errorf("all was well, but: %s", m.recover.ResetReason)
	}
	m.die(false)
}

// TestFailureBetweenTicks proves that a journal which failed since the latest sync
// is noticed although the next one begins before the next sync.
func TestFailureBetweenTicks(t *testing.T) {
	disk := disktest.New(1)
	m := newMortal(t, Config{}, disk, 1)
	m.known()
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
	disk.Fail(nil)
	for m.Failure() != nil {
		m.tick()
		m.idle()
	}
	m.die(false)
}

// TestCloseInTrouble proves that a state which is not what a restart could go on
// from does not outlive the process where the disk takes its deletion.
func TestCloseInTrouble(t *testing.T) {
	disk := disktest.New(1)
	m := newMortal(t, Config{}, disk, 1<<20)
	m.known()
	m.tick()
	disk.Fail(func(int, disktest.Op, string) error { return errBroken })
	m.Update([]Flow{m.flow("1", 2000, 0)})
	m.tick()
	disk.Fail(nil)
	if err := m.Close(); !errors.Is(err, errBroken) {
		t.Errorf("closed with %v", err)
	}
	if left := disk.Files(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestDiskHoldsNoLock proves that nobody waits for the disk while it deletes an
// outdated state: neither who asks for trouble, nor the feed.
func TestDiskHoldsNoLock(t *testing.T) {
	disk := disktest.New(1)
	m := newMortal(t, Config{}, disk, 1<<20)
	m.known()
	m.tick()
	var ops []disktest.Op
	disk.Fail(func(_ int, op disktest.Op, name string) error {
		ops = append(ops, op)
		if op != disktest.Remove {
			return errBroken
		}
		if !m.durable.mu.TryLock() {
			t.Errorf("%s %s: somebody waits for the disk", op, name)
			return nil
		}
		m.durable.mu.Unlock()
		return nil
	})
	m.Update([]Flow{m.flow("1", 2000, 0)})
	m.tick()
	if !slices.Contains(ops, disktest.Remove) {
		t.Errorf("operations %v: nothing was deleted", ops)
	}
	m.die(false)
}
