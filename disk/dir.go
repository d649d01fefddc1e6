// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
)

// MakeDir makes a directory where there is none, and those above it, and makes its
// name durable: else a loss of power may take the directory with all that was synced
// in it. That holds for one that exists as well, for the process that made it may
// have been killed before it could. The directory is there when the error is one of
// the latter.
func MakeDir(system FS, dir string) error {
	dir = filepath.Clean(dir)
	above := filepath.Dir(dir)
	err := system.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) && above != dir {
		if err := MakeDir(system, above); err != nil {
			return err
		}
		err = system.Mkdir(dir)
	}
	existed := errors.Is(err, fs.ErrExist)
	if err != nil && !existed {
		return err
	}
	err = system.SyncDir(above)
	if existed && errors.Is(err, fs.ErrPermission) {
		return nil // what this user may not even list is another's, who made dir
	}
	return err
}

// TolerateNoDirSync returns system such that SyncDir is no error on a file system
// which knows no such thing, as some under FUSE and some that are mounted by SMB: it
// makes names durable in its own time, or never, and nothing can be done about it.
// PostgreSQL, LevelDB and git do the same. unsupported is called once, with the first
// such error.
func TolerateNoDirSync(system FS, unsupported func(error)) FS {
	return &dirSyncTolerant{FS: system, unsupported: unsupported}
}

type dirSyncTolerant struct {
	FS
	once        sync.Once
	unsupported func(error)
}

// SyncDir implements FS.
func (t *dirSyncTolerant) SyncDir(dir string) error {
	err := t.FS.SyncDir(dir)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		t.once.Do(func() { t.unsupported(err) })
		return nil
	}
	return err
}
