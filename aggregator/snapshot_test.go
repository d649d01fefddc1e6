// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestSnapshotFramesAreSmall proves that the frames of a snapshot stay far below what can
// be read, however much is held in doubt of one source: 65,536 records may be, and all of
// them went into one frame.
func TestSnapshotFramesAreSmall(t *testing.T) {
	disk := disktest.New(1)
	m := newMortal(t, Config{}, disk, 1<<30)
	m.known()
	text := bytes.Repeat([]byte("x"), 256)
	const held = 2000
	m.mu.Lock()
	from := m.origins.list[0]
	for range held {
		from.addHeld(Flow{UUID: text, NodeTID: text, CaptureID: text, NetworkA: text, NetworkB: text, Application: text})
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
	m.die(false)
}
