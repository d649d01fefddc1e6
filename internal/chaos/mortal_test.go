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

// mortal is the disk as one life of a bridge sees it. When that life ends, the
// bridge may still run for a moment, for it is in our process; its hands are off
// the disk by then.
type mortal struct {
	disk *disktest.Disk
	mu   sync.RWMutex // held for reading during each operation
	dead bool
}

// errOver is what the dead get to hear. That a file does not exist keeps them from
// asking again and again.
var errOver = errors.Join(disktest.ErrDead, fs.ErrNotExist)

// die ends the life with a loss of power, between two operations.
func (m *mortal) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	m.disk.LosePower()
}

// alive does something unless the life is over.
func (m *mortal) alive(do func() error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.dead {
		return errOver
	}
	return do()
}

// Mkdir implements disk.FS.
func (m *mortal) Mkdir(dir string) error {
	return m.alive(func() error { return m.disk.Mkdir(dir) })
}

// Create implements disk.FS.
func (m *mortal) Create(name string) (f disk.File, err error) {
	err = m.alive(func() (err error) { f, err = m.disk.Create(name); return err })
	return mortalFile{f}, err
}

// Open implements disk.FS.
func (m *mortal) Open(name string) (f disk.File, err error) {
	err = m.alive(func() (err error) { f, err = m.disk.Open(name); return err })
	return mortalFile{f}, err
}

// Truncate implements disk.FS.
func (m *mortal) Truncate(name string, size int64) error {
	return m.alive(func() error { return m.disk.Truncate(name, size) })
}

// Rename implements disk.FS.
func (m *mortal) Rename(from, to string) error {
	return m.alive(func() error { return m.disk.Rename(from, to) })
}

// Remove implements disk.FS.
func (m *mortal) Remove(name string) error {
	return m.alive(func() error { return m.disk.Remove(name) })
}

// ReadDir implements disk.FS.
func (m *mortal) ReadDir(dir string) (entries []disk.Entry, err error) {
	err = m.alive(func() (err error) { entries, err = m.disk.ReadDir(dir); return err })
	return entries, err
}

// SyncDir implements disk.FS.
func (m *mortal) SyncDir(dir string) error {
	return m.alive(func() error { return m.disk.SyncDir(dir) })
}

// Lock implements disk.FS.
func (m *mortal) Lock(name string) (io.Closer, error) {
	var lock io.Closer
	err := m.alive(func() (err error) { lock, err = m.disk.Lock(name); return err })
	if err != nil {
		return nil, err
	}
	return mortalLock{m, lock}, nil
}

// mortalFile is a file. Those of a dead process are dead by themselves.
type mortalFile struct{ disk.File }

func (f mortalFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if errors.Is(err, disktest.ErrDead) {
		err = errOver
	}
	return n, err
}

// mortalLock is not given back by the dead: it may be another's by then.
type mortalLock struct {
	life *mortal
	lock io.Closer
}

func (l mortalLock) Close() error { return l.life.alive(l.lock.Close) }
