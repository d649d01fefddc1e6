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
	disk *disktest.Disk
	mu   sync.RWMutex // held for reading during each operation
	dead bool
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

// Mkdir implements disk.FS.
func (m *crashingFS) Mkdir(dir string) error {
	return m.alive(func() error { return m.disk.Mkdir(dir) })
}

// Create implements disk.FS.
func (m *crashingFS) Create(name string) (f disk.File, err error) {
	err = m.alive(func() (err error) { f, err = m.disk.Create(name); return err })
	return crashingFile{f}, err
}

// Open implements disk.FS.
func (m *crashingFS) Open(name string) (f disk.File, err error) {
	err = m.alive(func() (err error) { f, err = m.disk.Open(name); return err })
	return crashingFile{f}, err
}

// Truncate implements disk.FS.
func (m *crashingFS) Truncate(name string, size int64) error {
	return m.alive(func() error { return m.disk.Truncate(name, size) })
}

// Rename implements disk.FS.
func (m *crashingFS) Rename(from, to string) error {
	return m.alive(func() error { return m.disk.Rename(from, to) })
}

// Remove implements disk.FS.
func (m *crashingFS) Remove(name string) error {
	return m.alive(func() error { return m.disk.Remove(name) })
}

// ReadDir implements disk.FS.
func (m *crashingFS) ReadDir(dir string) (entries []disk.Entry, err error) {
	err = m.alive(func() (err error) { entries, err = m.disk.ReadDir(dir); return err })
	return entries, err
}

// SyncDir implements disk.FS.
func (m *crashingFS) SyncDir(dir string) error {
	return m.alive(func() error { return m.disk.SyncDir(dir) })
}

// Lock implements disk.FS.
func (m *crashingFS) Lock(name string) (io.Closer, error) {
	var lock io.Closer
	err := m.alive(func() (err error) { lock, err = m.disk.Lock(name); return err })
	if err != nil {
		return nil, err
	}
	return crashingLock{m, lock}, nil
}

// crashingFile is a file. Those of a dead process are dead by themselves.
type crashingFile struct{ disk.File }

func (f crashingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if errors.Is(err, disktest.ErrDead) {
		err = errCrashed
	}
	return n, err
}

// crashingLock is not given back by the dead: it may be another's by then.
type crashingLock struct {
	life *crashingFS
	lock io.Closer
}

func (l crashingLock) Close() error { return l.life.alive(l.lock.Close) }
