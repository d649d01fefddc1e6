// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package former_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/aggregator/former"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestDamage proves that a file which is damaged or cut off at any byte is read up to there, or is
// a reason to reset the counters.
func TestDamage(t *testing.T) {
	whole, reset := 0, 0
	for _, name := range onDisk(t, "snapshot").Files() {
		good := onDisk(t, "snapshot").Bytes(name)
		for at := range good {
			for _, cut := range []bool{false, true} {
				bad := bytes.Clone(good)
				if bad[at] ^= 1 << (at % 8); cut {
					bad = bad[:at]
				}
				d := onDisk(t, "snapshot")
				d.SetBytes(name, bad)
				s, err := former.Read(d, "state", -1)
				if err != nil {
					t.Fatalf("%s at %d: %v", name, at, err)
				}
				if err := started(t, 150).aggregator.Adopt(s); err != nil {
					t.Fatal(err)
				}
				switch n := len(s.Baselines); {
				case s.Continues && n >= 3 && s.Connections[0].Bytes[0] >= 1000:
					whole++
				case !s.Continues && n == 0 && s.ResetReason != "":
					reset++
				default:
					t.Fatalf("%s at %d: %+v", name, at, s)
				}
			}
		}
	}
	if whole == 0 || reset == 0 {
		t.Errorf("%d states, %d resets: want both", whole, reset)
	}
}

// TestErrors proves that files of a newer version and those of another user are errors, not
// reasons to reset.
func TestErrors(t *testing.T) {
	for _, name := range onDisk(t, "snapshot").Files() {
		_, err := former.Read(disktest.Forbidding(onDisk(t, "snapshot"), name), "state", -1)
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "chown") {
			t.Errorf("%s: %v", name, err)
		}
		d := onDisk(t, "snapshot")
		newer := d.Bytes(name)
		newer[8]++
		binary.LittleEndian.PutUint32(newer[12:], disk.Checksum(newer[:12]))
		d.SetBytes(name, newer)
		if _, err := former.Read(d, "state", -1); !errors.Is(err, disk.ErrNewer) || !strings.Contains(err.Error(), "remove the directory") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoState proves that a directory which does not exist, or is empty, resets nothing at the
// first start, and all counters beside a log that has ticks.
func TestNoState(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		for lastTick, reason := range map[int64]string{-1: "", 0: "", began: "there is none"} {
			s, err := former.Read(disk.OS{}, dir, lastTick)
			if err != nil || s.Continues || s.ResetReason != reason || s.LastTick != max(0, lastTick) || s.SentUntil != max(0, lastTick) {
				t.Errorf("%d: %+v, %v", lastTick, s, err)
			}
		}
	}
}

// TestAdoptFirst proves that a state is not adopted beside one.
func TestAdoptFirst(t *testing.T) {
	b := started(t, 0)
	b.AnalyzerUp("a")
	b.count(b.flow("1", 1, 1, 1))
	if err := b.aggregator.Adopt(&former.State{}); err == nil {
		t.Error("it was")
	}
}

// FuzzRecords: whatever records are, a state of them can be adopted and continued, or is none.
func FuzzRecords(f *testing.F) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "fuzz" {
			continue
		}
		d := onDisk(f, e.Name())
		for _, name := range d.Files() {
			f.Add(former.Records(d, name))
		}
	}
	f.Fuzz(func(t *testing.T, records []byte) {
		s := former.OfRecords(records)
		if s == nil {
			return
		}
		b := started(t, 0)
		if err := b.aggregator.Adopt(s); err != nil {
			t.Fatal(err)
		}
		b.AnalyzerUp("a")
		b.Stats(input.CaptureStats{CaptureID: []byte("c1"), FlowDropped: 1 << 40})
		for b.seconds = (b.aggregator.LastTick() - began) / 1000; len(b.samples) < 3 && b.seconds >= 0 && b.seconds < 1<<40; {
			b.samples = append(b.samples, "")
			b.count(b.flow("1", 1, 1<<40, 5))
		}
	})
}
