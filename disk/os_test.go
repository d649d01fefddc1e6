// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/disk"
)

// TestOS proves what the operations do to real files, and that no one but the
// owner can read them.
func TestOS(t *testing.T) {
	fs, dir := disk.OS{}, filepath.Join(t.TempDir(), "a", "b")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(disk.MakeDir(fs, dir))
	f, err := fs.Create(filepath.Join(dir, "x"))
	must(err)
	_, err = f.WriteAt([]byte("hello"), 0)
	must(err)
	must(f.Sync())
	if _, err := fs.Create(filepath.Join(dir, "x")); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file was made twice: %v", err)
	}
	must(fs.Truncate(filepath.Join(dir, "x"), 4))
	if size, err := f.Size(); size != 4 || err != nil {
		t.Errorf("size %d, %v", size, err)
	}
	must(f.Close())
	must(fs.Rename(filepath.Join(dir, "x"), filepath.Join(dir, "y")))
	must(fs.SyncDir(dir))
	must(fs.Mkdir(filepath.Join(dir, "c")))
	got, err := fs.ReadDir(dir)
	must(err)
	if diff := cmp.Diff([]disk.Entry{{Name: "y", Size: 4}}, got); diff != "" {
		t.Error(diff)
	}
	f, err = fs.Open(filepath.Join(dir, "y"))
	must(err)
	data := make([]byte, 4)
	_, err = f.ReadAt(data, 0)
	must(err)
	must(f.Close())
	if string(data) != "hell" {
		t.Errorf("read %q", data)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "y"): 0o600} {
		info, err := os.Stat(name)
		must(err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	must(fs.Remove(filepath.Join(dir, "y")))
	if _, err := fs.Open(filepath.Join(dir, "y")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed file opens: %v", err)
	}
}

// TestLock proves that a lock is held once at a time, whichever process asks.
func TestLock(t *testing.T) {
	fs, name := disk.OS{}, filepath.Join(t.TempDir(), "lock")
	for range 2 {
		lock, err := fs.Lock(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fs.Lock(name); !errors.Is(err, disk.ErrLocked) {
			t.Errorf("locked twice: %v", err)
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
