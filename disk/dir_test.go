// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestMakeDirIsDurable proves that what is synced in a new directory survives a loss of
// power, also where the process that made the directory was killed before it could make
// its name durable.
func TestMakeDirIsDurable(t *testing.T) {
	const dir, file = "/storage", "/storage/log/file"
	for seed := range uint64(50) {
		d := disktest.New(seed)
		if seed%2 == 0 {
			if err := d.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
			d.Kill()
		}
		err := errors.Join(disk.MakeDir(d, dir), disk.MakeDir(d, dir+"/log/"))
		f, created := d.Create(file)
		if err := errors.Join(err, created, d.SyncDir(filepath.Dir(file))); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("synced"), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		d.LosePower()
		if got := d.Bytes(file); string(got) != "synced" {
			t.Fatalf("seed %d: the file has %q after a loss of power", seed, got)
		}
	}
}

// TestMakeDirNeedsNoRights proves that a directory above, which this user may not list,
// is no hindrance where it was another that made the directory.
func TestMakeDirNeedsNoRights(t *testing.T) {
	for _, c := range []struct {
		exists bool
		fails  error
		want   error
	}{
		{exists: true, fails: fs.ErrPermission},
		{exists: false, fails: fs.ErrPermission, want: fs.ErrPermission},
		{exists: true, fails: syscall.EIO, want: syscall.EIO},
	} {
		d := disktest.New(1)
		if c.exists {
			if err := d.Mkdir("/storage"); err != nil {
				t.Fatal(err)
			}
		}
		d.Fail(func(_ int, op disktest.Op, _ string) error {
			if op == disktest.SyncDir {
				return c.fails
			}
			return nil
		})
		if err := disk.MakeDir(d, "/storage"); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestMakeDirFails proves that what cannot be made is an error.
func TestMakeDirFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := disk.MakeDir(disk.OS{}, filepath.Join(file, "below")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
}

// TestTolerateNoDirSync proves that a file system which cannot sync directories is said
// so once and taken as it is, and that a disk which fails is not.
func TestTolerateNoDirSync(t *testing.T) {
	for _, c := range []struct {
		err       error
		tolerated bool
	}{{syscall.EINVAL, true}, {syscall.ENOTSUP, true}, {syscall.ENOSYS, true}, {syscall.EIO, false}, {fs.ErrPermission, false}} {
		d := disktest.New(1)
		d.Fail(func(int, disktest.Op, string) error { return c.err })
		said := 0
		system := disk.TolerateNoDirSync(d, func(err error) {
			if said++; !errors.Is(err, c.err) {
				t.Errorf("%v is said to be %v", c.err, err)
			}
		})
		for range 3 {
			if err := system.SyncDir("dir"); (err == nil) != c.tolerated {
				t.Errorf("%v: %v", c.err, err)
			}
		}
		if _, err := system.Create("file"); !errors.Is(err, c.err) {
			t.Errorf("another operation is tolerated: %v", err)
		}
		if want := map[bool]int{true: 1, false: 0}[c.tolerated]; said != want {
			t.Errorf("%v was said %d times, want %d", c.err, said, want)
		}
	}
}
