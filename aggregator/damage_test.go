// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestDamage flips a bit at every place of every file of a state, and cuts every
// file at every place. What comes back is the state of the latest tick or newer,
// or nothing: never a number that was not.
func TestDamage(t *testing.T) {
	disk := disktest.New(1)
	m := knownProcess(t, Config{}, disk, 1)
	for i := range int64(6) {
		a, b := m.flow("1", 1000*(i+1), i), m.flow("two", 7*i+1, 0)
		b.TransportA = 2
		m.Update([]input.Flow{a, b})
		m.Stats(input.CaptureStats{CaptureID: []byte("c1"), FlowDropped: i})
		m.tick()
		m.idle()
	}
	last := m.flow("1", 9000, 8)
	m.Update([]input.Flow{last}) // after the latest tick
	m.Sync()
	m.crash(false)
	names := disk.Files()
	if text := strings.Join(names, " "); !strings.Contains(text, snapshotSuffix) || !strings.Contains(text, journalSuffix) {
		t.Fatalf("files %v: want a snapshot and a journal", names)
	}

	whole, reset := 0, 0
	for _, name := range names {
		good := disk.Bytes(name)
		for at := range good {
			for _, cut := range []bool{false, true} {
				bad := append([]byte(nil), good...)
				if bad[at] ^= 1 << (at % 8); cut {
					bad = bad[:at]
				}
				other := disktest.New(2)
				for _, n := range names {
					other.SetBytes(n, disk.Bytes(n))
				}
				other.SetBytes(name, bad)
				again := newWorld(t, Config{})
				found, err := again.OpenState(StateConfig{Dir: stateDir, FS: other, LastTick: m.last}, slog.New(slog.DiscardHandler))
				if err != nil {
					if strings.Contains(err.Error(), "newer version") {
						t.Fatalf("%s at %d: %v", name, at, err) // the header has a checksum
					}
					t.Fatalf("%s at %d: an error, not a new beginning: %v", name, at, err)
				}
				if found.ResetReason != "" {
					reset++
					if found.Connections+found.Flows != 0 {
						t.Fatalf("%s at %d: %+v", name, at, found)
					}
				} else {
					whole++
					c := again.connections.records.at(0)
					if n := c.bytes[0]; n != 6000 && n != 9000 {
						t.Fatalf("%s at %d: %d bytes", name, at, n)
					}
					if found.Connections != 2 || found.Flows != 2 {
						t.Fatalf("%s at %d: %+v", name, at, found)
					}
				}
				_ = again.Close()
			}
		}
	}
	if whole == 0 || reset == 0 {
		t.Errorf("%d recoveries of the whole, %d new beginnings: want both", whole, reset)
	}
}

// TestNewerFormat proves that files of a newer version are an error that says
// what to do, and are left as they are.
func TestNewerFormat(t *testing.T) {
	files := disktest.New(1)
	m := knownProcess(t, Config{}, files, 1<<20)
	m.crash(false)
	name := fileName(stateDir, 1, journalSuffix)
	data := files.Bytes(name)
	data[8]++
	binary.LittleEndian.PutUint32(data[12:], disk.Checksum(data[:12]))
	files.SetBytes(name, data)
	w := newWorld(t, Config{})
	_, err := w.OpenState(StateConfig{Dir: stateDir, FS: files}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "newer version") || !strings.Contains(err.Error(), "remove the directory") {
		t.Errorf("error %v", err)
	}
	if string(files.Bytes(name)) != string(data) {
		t.Error("the file was changed")
	}
}

// FuzzRecords replays records that checksums do not protect: whatever they say,
// there is an aggregator afterwards that works.
func FuzzRecords(f *testing.F) {
	disk := disktest.New(1)
	m := knownProcess(f, Config{}, disk, 1)
	for i := range int64(8) {
		a := m.flow("1", 1000*(i+1), i)
		a.TransportA = i % 3
		m.Update([]input.Flow{a, m.flow(fmt.Sprint("text", i), 5, 5)})
		m.Stats(input.CaptureStats{CaptureID: []byte("c1"), FlowDropped: i})
		m.pass(20 * time.Second)
		m.tick()
		m.idle()
	}
	m.crash(false)
	for _, name := range disk.Files() {
		var all []byte
		_, _, err := readFile(disk, name, func(records []byte, _ time.Duration) error {
			all = append(all, records...)
			f.Add(append([]byte(nil), records...))
			return nil
		})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(all)
	}
	f.Fuzz(func(t *testing.T, records []byte) {
		w := newWorld(t, Config{})
		r := newReplay(w.Aggregator)
		r.limit = 1 << 13
		half := len(records) / 2
		if r.frame(records[:half], time.Second) != nil || r.frame(records[half:], time.Minute) != nil {
			return // a new beginning
		}
		if _, _, resetReason := r.matchLog(w.latest.before); resetReason != "" {
			return
		}
		if r.finish() > 0 {
			return
		}
		w.resume(r.feedNow, w.latest.at)
		w.Update([]input.Flow{w.flow("1", 1<<40, 5)})
		w.Stats(input.CaptureStats{CaptureID: []byte("c1"), FlowDropped: 1 << 40})
		at := max(w.LastTick(), w.time.UnixMilli())
		for range 4 {
			if at > 1<<60 {
				return
			}
			at += 60_000
			w.pass(time.Minute)
			w.Tick(at, testInterval, &discard{})
			w.Publish()
		}
		if used := w.connections.records.used; used != w.connections.byKey.size() {
			t.Errorf("%d connections, %d keys", used, w.connections.byKey.size())
		}
	})
}

// TestFilesOfAnotherUser proves that a state which may not be read is an error and
// stays: after a chown the counters continue.
func TestFilesOfAnotherUser(t *testing.T) {
	disk := disktest.New(1)
	m := knownProcess(t, Config{}, disk, 1)
	m.count(m.flow("1", 1000, 1))
	m.idle()
	m.Sync()
	last := m.LastTick()
	m.crash(false)
	names := disk.Files()
	for _, name := range names {
		w := newWorld(t, Config{})
		_, err := w.OpenState(StateConfig{Dir: stateDir, FS: disktest.Forbidding(disk, name), LastTick: last}, w.warnings.logger)
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "chown") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := disk.Files(); !slices.Equal(after, names) {
		t.Errorf("files %v, want %v", after, names)
	}
	w := newWorld(t, Config{})
	found, err := w.OpenState(StateConfig{Dir: stateDir, FS: disk, LastTick: last}, w.warnings.logger)
	if err != nil || found.ResetReason != "" || found.Connections != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
