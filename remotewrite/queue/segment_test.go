// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// diskOf is a disk with a log of that many ticks, one a second, of which the
// endpoint "a" has the first acknowledged; a segment holds
// two or three.
func diskOf(t testing.TB, ticks int) *disktest.Disk {
	t.Helper()
	d := disktest.New(1)
	l := openLog(t, Config{FS: d, SegmentBytes: 250})
	c := l.Cursor("a", nil)
	l.SetNames(namesFor("a", "one"), false)
	for i := range int64(ticks) {
		tick := l.Begin(1000 * (i + 1))
		tick.Labels([]wire.Label{{Name: "a", Value: "1"}})
		if i == 0 {
			tick.Zero(bytesMetric, 1)
		}
		tick.Value(bytesMetric, 1, float64(i))
		appendTo(t, l, tick)
	}
	finish(t, c)
	closeLog(t, l, c)
	return d
}

// lastWritten is the time of the tick that reopen appends, ms.
const lastWritten = 8000

// found is what a reopened log has for the endpoint "a".
type found struct {
	at          []int64
	values      []uint64
	lost        int
	corruptions float64
}

// reopen reads everything that is left for the endpoint "a".
func reopen(t testing.TB, d *disktest.Disk) (found, error) {
	t.Helper()
	reg := prometheus.NewRegistry()
	l, err := Open(Config{FS: d, Dir: "log"}, reg, slog.New(slog.DiscardHandler))
	if err != nil {
		return found{}, err
	}
	var f found
	c := l.Cursor("a", nil)
	l.ReleaseParked()
	// The next tick tells what is missing before it.
	tick := l.Begin(lastWritten)
	tick.Labels([]wire.Label{{Name: "a", Value: "1"}})
	tick.Value(bytesMetric, 1, lastWritten/1000-1)
	appendTo(t, l, tick)
	for c.Position().Ticks > 0 {
		tick := take(t, c)
		if tick.Broken {
			c.GiveUp(tick.Samples, tick.Stale, ReasonUnreadable)
		}
		for i := range tick.Values {
			data, _, err := tick.Values[i].Load(nil)
			if err != nil {
				l.store.damaged(DamagedBlock, err)
				c.GiveUp(tick.Samples, tick.Stale, ReasonUnreadable)
				continue
			}
			var r wire.Reader
			if err := r.Reset(data); err != nil {
				t.Fatalf("a block with a good checksum: %v", err)
			}
			for ok, err := r.Next(); ok; ok, err = r.Next() {
				if err != nil {
					t.Fatal(err)
				}
				f.at, f.values = append(f.at, r.At), append(f.values, r.Value)
			}
		}
		c.Done("", false)
	}
	c.Close()
	f.lost = int(c.Outcome().total().Samples)
	f.corruptions = await.Sum(t, reg, "skybridge_log_corruptions_total")
	closeLog(t, l)
	return f, nil
}

func segments(d *disktest.Disk) (names []string) {
	for _, name := range d.Files() {
		if strings.HasSuffix(name, segmentFormat.Suffix) {
			names = append(names, name)
		}
	}
	return names
}

// TestDamage proves what each kind of damage costs: what is left, and how it is
// counted.
func TestDamage(t *testing.T) {
	flip := func(d *disktest.Disk, name string, at int) {
		b := d.Bytes(name)
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 0x40
		d.SetBytes(name, b)
	}
	all := []int64{2000, 3000, 4000, 5000, 6000, 7000, 8000}
	withoutLast := []int64{2000, 3000, 4000, 5000, 6000, 8000}
	for _, c := range []struct {
		name        string
		damage      func(d *disktest.Disk, segments []string)
		at          []int64
		lost        int
		corruptions float64
	}{
		{"none", func(*disktest.Disk, []string) {}, all, 0, 0},
		{"last tick cut off", func(d *disktest.Disk, s []string) {
			b := d.Bytes(s[len(s)-1])
			d.SetBytes(s[len(s)-1], b[:len(b)-1])
		}, withoutLast, 1, 1},

		{"last block changed", func(d *disktest.Disk, s []string) { flip(d, s[len(s)-1], -1) }, withoutLast, 1, 1},
		{"index in the middle", func(d *disktest.Disk, s []string) { flip(d, s[1], segmentHeader+disk.FrameHeader) }, []int64{2000, 4000, 5000, 6000, 7000, 8000}, 1, 1},
		{"block in the middle", func(d *disktest.Disk, s []string) { flip(d, s[1], -1) }, []int64{2000, 3000, 4000, 6000, 7000, 8000}, 1, 1},
		{"header in the middle", func(d *disktest.Disk, s []string) { flip(d, s[1], 0) }, []int64{2000, 6000, 7000, 8000}, 3, 1},
		{"segment gone", func(d *disktest.Disk, s []string) { _ = d.Remove(s[1]) }, []int64{2000, 6000, 7000, 8000}, 3, 0},
		{"salt", func(d *disktest.Disk, s []string) { flip(d, s[1], 16) }, []int64{2000, 6000, 7000, 8000}, 3, 1},
		{"cursors gone", func(d *disktest.Disk, _ []string) { _ = d.Remove("log/cursors") }, append([]int64{1000}, all...), 0, 1},
		{"cursors damaged", func(d *disktest.Disk, _ []string) { flip(d, "log/cursors", 3) }, append([]int64{1000}, all...), 0, 1},
		{"marks gone", func(d *disktest.Disk, _ []string) { _ = d.Remove("log/marks") }, all, 0, 0},
		{"marks damaged", func(d *disktest.Disk, _ []string) { flip(d, "log/marks", -1) }, all, 0, 1},
		{"marks cut off", func(d *disktest.Disk, _ []string) { d.SetBytes("log/marks", d.Bytes("log/marks")[:40]) }, all, 0, 1},
		{"empty segment", func(d *disktest.Disk, _ []string) { d.SetBytes("log/000000000099.seg", nil) }, all, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := diskOf(t, 7)
			names := segments(d)
			if len(names) < 3 {
				t.Fatalf("segments %q", names)
			}
			c.damage(d, names)
			got, err := reopen(t, d)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.at, got.at); diff != "" {
				t.Error(diff)
			}
			if got.lost != c.lost || got.corruptions != c.corruptions {
				t.Errorf("%d samples lost and %v corruptions, want %d and %v", got.lost, got.corruptions, c.lost, c.corruptions)
			}
		})
	}
}

// TestNewerFormat proves that files of a newer version are an error and stay.
func TestNewerFormat(t *testing.T) {
	for _, magic := range []string{segmentFormat.Magic, cursorMagic, markMagic} {
		d := diskOf(t, 3)
		name := map[string]string{segmentFormat.Magic: segments(d)[0], cursorMagic: "log/cursors", markMagic: "log/marks"}[magic]
		b := d.Bytes(name)
		copy(b, disk.AppendHeader(nil, magic, 5, 0))
		d.SetBytes(name, b)
		if _, err := reopen(t, d); !errors.Is(err, disk.ErrNewer) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(d.Bytes(name), b) {
			t.Errorf("%s was changed", name)
		}
	}
}

// TestFilesOfAnotherUser proves that files which may not be read are an error and stay:
// after a chown everything continues.
func TestFilesOfAnotherUser(t *testing.T) {
	d := diskOf(t, 3)
	for _, name := range []string{segments(d)[0], "log/cursors", "log/marks"} {
		before := d.Bytes(name)
		_, err := Open(Config{FS: disktest.Forbidding(d, name), Dir: "log"}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "chown") {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(d.Bytes(name), before) {
			t.Errorf("%s was changed", name)
		}
	}
	if f, err := reopen(t, d); err != nil || f.lost != 0 || f.corruptions != 0 {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestTrouble proves what is said of a failing disk and when, that memory is
// bounded meanwhile, and that all of it is durable once the disk works.
func TestTrouble(t *testing.T) {
	d := disktest.New(1)
	r := newRig(t, Config{FS: d, MemoryMaxBytes: 1500})
	c := r.log.Cursor("a", nil)
	for i, full := range []bool{false, true, true, true, true, true, true, true, true, false} {
		d.Fail(func(_ int, op disktest.Op, _ string) error {
			if full && op == disktest.Write {
				return syscall.ENOSPC
			}
			return nil
		})
		r.value(1000*int64(i+1), 0, false, float64(i))
		if err := r.log.Trouble(); (err != nil) != full || (full && !errors.Is(err, syscall.ENOSPC)) {
			t.Errorf("tick %d: trouble %v", i, err)
		}
	}
	for words, want := range map[string]int{"the disk is failing: ticks": 1, "works again": 1, "memory is full": 1} {
		if got := r.count(words); got != want {
			t.Errorf("%q is logged %d times", words, got)
		}
	}
	ticks, inMemory := 0, await.Sum(t, r.reg, "skybridge_log_memory_bytes")
	for c.Position().Ticks > 0 {
		take(t, c)
		c.Done("", false)
		ticks++
	}
	if lost := int(c.Outcome().total().Samples); ticks+lost != 10 || lost == 0 || ticks < 4 || inMemory != 0 {
		t.Errorf("%d ticks read, %d lost, %v bytes in memory", ticks, lost, inMemory)
	}
}

// FuzzLogFiles proves that whatever happened to the files, a log opens, gives no
// sample that was never written, and says so where one is missing.
func FuzzLogFiles(f *testing.F) {
	d := diskOf(f, 7)
	files := make(map[string][]byte)
	for _, name := range d.Files() {
		files[name] = d.Bytes(name)
	}
	names := append(segments(d), filepath.Join("log", cursorName), filepath.Join("log", markName))
	for i := range names {
		f.Add(uint8(i), uint16(0), []byte{1}, false)
		f.Add(uint8(i), uint16(30), []byte("TICK"), false)
		f.Add(uint8(i), uint16(200), []byte{0xff, 0xff, 0xff, 0xff}, true)
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, xor []byte, cut bool) {
		d := disktest.New(1)
		for name, b := range files {
			d.SetBytes(name, b)
		}
		name := names[int(which)%len(names)]
		b := bytes.Clone(files[name])
		changed := false
		for i, x := range xor {
			if p := int(at) + i; p < len(b) {
				b[p] ^= x
				changed = changed || x != 0
			}
		}
		if cut && int(at) < len(b) {
			b, changed = b[:at], true
		}
		d.SetBytes(name, b)
		got, err := reopen(t, d)
		if errors.Is(err, disk.ErrNewer) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[int64]bool)
		for i, at := range got.at {
			if want := at/1000 - 1; at%1000 != 0 || math.Float64frombits(got.values[i]) != float64(want) || seen[at] {
				t.Errorf("value %v at %d", math.Float64frombits(got.values[i]), at)
			}
			seen[at] = true
			if i > 0 && at < got.at[i-1] {
				t.Errorf("%d after %d", at, got.at[i-1])
			}
		}
		missing := 0
		for at := int64(2000); at <= 7000; at += 1000 {
			if !seen[at] {
				missing++
			}
		}
		if missing > 0 && got.lost < missing {
			t.Errorf("%d ticks are missing, %d counted", missing, got.lost)
		}
		if !changed && (missing > 0 || got.corruptions > 0) {
			t.Errorf("%d ticks are missing of files that no one changed", missing)
		}
	})
}
