// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"errors"
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestWithTimeout has the disk hang in each operation. It fails when its time is over,
// everything else fails at once meanwhile and does not begin, what is late is let go of,
// and then the disk works again.
func TestWithTimeout(t *testing.T) {
	const limit = 30 * time.Second
	for _, test := range []struct {
		name string
		try  func(system disk.FS, f disk.File) error
	}{
		{"mkdir", func(system disk.FS, _ disk.File) error { return system.Mkdir("dir") }},
		{"create", func(system disk.FS, _ disk.File) error { _, err := system.Create("other"); return err }},
		{"open", func(system disk.FS, _ disk.File) error { _, err := system.Open("file"); return err }},
		{"truncate", func(system disk.FS, _ disk.File) error { return system.Truncate("file", 1) }},
		{"rename", func(system disk.FS, _ disk.File) error { return system.Rename("file", "moved") }},
		{"remove", func(system disk.FS, _ disk.File) error { return system.Remove("file") }},
		{"list", func(system disk.FS, _ disk.File) error { _, err := system.ReadDir("."); return err }},
		{"sync directory", func(system disk.FS, _ disk.File) error { return system.SyncDir(".") }},
		{"lock", func(system disk.FS, _ disk.File) error { _, err := system.Lock("lock"); return err }},
		{"read", func(_ disk.FS, f disk.File) error { _, err := f.ReadAt(make([]byte, 2), 0); return err }},
		{"write", func(_ disk.FS, f disk.File) error { _, err := f.WriteAt([]byte("ab"), 0); return err }},
		{"sync", func(_ disk.FS, f disk.File) error { return f.Sync() }},
		{"size", func(_ disk.FS, f disk.File) error { _, err := f.Size(); return err }},
		{"close", func(_ disk.FS, f disk.File) error { return f.Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hanging := disktest.NewHanging(disktest.New(1))
				system := disk.WithTimeout(hanging, limit)
				f, err := system.Create("file")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.WriteAt([]byte("ab"), 0); err != nil {
					t.Fatal(err)
				}
				var begun atomic.Int64
				release := hanging.Hang(func(disktest.Op, string) bool { begun.Add(1); return true })
				began := time.Now()
				if err := test.try(system, f); !errors.Is(err, disk.ErrHangs) || time.Since(began) != limit {
					t.Errorf("%v after %s, want ErrHangs after %s", err, time.Since(began), limit)
				}
				began = time.Now()
				if _, err := system.Create("third"); !errors.Is(err, disk.ErrHangs) || time.Since(began) != 0 || begun.Load() != 1 {
					t.Errorf("%v after %s, %d operations have begun: it did not fail at once", err, time.Since(began), begun.Load())
				}
				release()
				synctest.Wait()
				if n := hanging.OpenFiles(); n > 1 {
					t.Errorf("%d files are open, want the first one only", n)
				}
				if _, err := system.Open("absent"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%v, want the error of a disk that works", err)
				}
				if _, err := system.Lock("lock"); err != nil {
					t.Errorf("the late lock is held: %v", err)
				}
			})
		})
	}
}

// TestWithTimeoutKeepsMemoryApart reuses the memory of a write and of a read that hang:
// the file gets what was to be written, and the memory is left alone.
func TestWithTimeoutKeepsMemoryApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := disktest.NewHanging(disktest.New(1))
		system := disk.WithTimeout(hanging, time.Second)
		all := func(disktest.Op, string) bool { return true }
		f, err := system.Create("file")
		if err != nil {
			t.Fatal(err)
		}
		release := hanging.Hang(all)
		p := []byte("first")
		if n, err := f.WriteAt(p, 0); n != 0 || !errors.Is(err, disk.ErrHangs) {
			t.Errorf("%d bytes, %v", n, err)
		}
		copy(p, "other")
		release()
		synctest.Wait()
		release = hanging.Hang(all)
		if n, err := f.ReadAt(p, 0); n != 0 || !errors.Is(err, disk.ErrHangs) {
			t.Errorf("%d bytes, %v", n, err)
		}
		release()
		synctest.Wait()
		if string(p) != "other" {
			t.Errorf("the memory holds %q", p)
		}
		if n, err := f.ReadAt(p, 0); n != 5 || err != nil || string(p) != "first" {
			t.Errorf("the file holds %q (%v)", p[:n], err)
		}
	})
}
