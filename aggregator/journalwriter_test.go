// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestFramesAreWrittenSoon proves that a frame is written a moment after it was
// sealed, whatever the writer did before: also where it was called and there was
// nothing to write, as by a sync.
func TestFramesAreWrittenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := disktest.New(1)
		m := newCrashingProcess(t, Config{}, disk, 1<<20)
		defer m.crash(false)
		size := func() int { return len(disk.Bytes(fileName(stateDir, 1, journalSuffix))) }
		for i := range int64(5) {
			m.Sync()
			if i%2 == 1 {
				m.Sync() // with nothing to write
			}
			synctest.Wait()
			before := size()
			m.Update([]input.Flow{m.flow("1", 1000*(i+1), 0)})
			time.Sleep(2 * writeAfter)
			synctest.Wait()
			if size() == before {
				t.Errorf("round %d: the update is not written", i)
			}
		}
	})
}

// TestSnapshotFramesAreSmall proves that the frames of a snapshot stay far below what can
// be read, however many records of one origin are held: 65,536 records may be, and all of
// them went into one frame.
func TestSnapshotFramesAreSmall(t *testing.T) {
	disk := disktest.New(1)
	m := knownProcess(t, Config{}, disk, 1<<30)
	text := bytes.Repeat([]byte("x"), 256)
	const held = 2000
	m.mu.Lock()
	from := m.origins.list[0]
	for range held {
		from.addHeld(input.Flow{UUID: text, NodeTID: text, CaptureID: text, NetworkA: text, NetworkB: text, Application: text})
	}
	m.mu.Unlock()
	out, err := createFile(disk, "snapshot")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.durable.dump(&snapshotWriter{file: out, frame: make([]byte, frameHeader)}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Config{})
	r, largest := newReplay(w.Aggregator), 0
	_, _, err = readFile(disk, "snapshot", func(records []byte, feedNow time.Duration) error {
		largest = max(largest, len(records))
		return r.frame(records, feedNow)
	})
	if err != nil || len(w.origins.list[0].held) != held {
		t.Errorf("%d records are held, want %d: %v", len(w.origins.list[0].held), held, err)
	}
	if largest > 2*snapshotFrame {
		t.Errorf("a frame has %d bytes, want %d at most", largest, 2*snapshotFrame)
	}
	m.crash(false)
}

// TestManyRestarts proves that processes which end soon do not leave more and more
// files for the next one to read.
func TestManyRestarts(t *testing.T) {
	system := disktest.New(1)
	m := knownProcess(t, Config{}, system, 1<<20)
	m.count(m.flow("1", 1000, 0))
	for range 4 * maxJournals {
		m.crash(false)
		m.pass(time.Second)
		m.start()
		m.tick()
		m.idle() // one snapshot waits for the next tick
		m.tick()
		m.idle()
		if n := len(system.Files()); n > maxJournals+3 {
			t.Fatalf("life %d: %d files", m.starts, n)
		}
	}
	m.want("bytes", 1000)
	m.crash(false)
}
