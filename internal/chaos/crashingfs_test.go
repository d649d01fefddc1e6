// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// crashingFS is the disk as one life of a bridge sees it. When that life ends, the
// bridge may still run for a moment, for it is in our process; its hands are off
// the disk by then.
type crashingFS struct {
	disk.FS
	disk *disktest.Disk
	mu   sync.RWMutex // held for reading during each operation
	dead bool
}

func newCrashingFS(on *disktest.Disk) *crashingFS {
	m := &crashingFS{disk: on}
	m.FS = disktest.Intercept(on, func(_ disktest.Op, _ string, run func() error) error { return m.alive(run) })
	return m
}

// errCrashed is what the dead get to hear. That a file does not exist keeps them from
// asking again and again.
var errCrashed = errors.Join(disktest.ErrDead, fs.ErrNotExist)

// crash ends the life with a loss of power, between two operations.
func (m *crashingFS) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	m.disk.LosePower()
}

// alive does something unless the life is over.
func (m *crashingFS) alive(do func() error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.dead {
		return errCrashed
	}
	return do()
}

// Lock implements disk.FS. The dead do not give a lock back: it may be another's by then.
func (m *crashingFS) Lock(name string) (io.Closer, error) {
	lock, err := m.FS.Lock(name)
	return closer(func() error { return m.alive(lock.Close) }), err
}

type closer func() error

func (c closer) Close() error { return c() }
