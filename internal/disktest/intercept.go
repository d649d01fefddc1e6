// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"io"
	"io/fs"
	"sync"

	"github.com/skydive-project/skybridge/disk"
)

// Intercept returns a file system whose operations, those of its files too, are run by
// do: it may let one wait, fail in its place, or look at what came of it.
func Intercept(inner disk.FS, do func(op Op, name string, run func() error) error) disk.FS {
	return intercepted{inner, do}
}

// Forbidding returns a file system on which one file belongs to somebody else: it cannot
// be opened.
func Forbidding(inner disk.FS, forbidden string) disk.FS {
	return Intercept(inner, func(op Op, name string, run func() error) error {
		if op == Open && name == forbidden {
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return run()
	})
}

// Hanging is a file system whose operations can be made to hang, as on a network drive
// whose server has gone. Its methods may be called concurrently.
type Hanging struct {
	disk.FS

	mu   sync.Mutex
	hung func(op Op, name string) bool
	over chan struct{} // closed when nothing hangs any more
	open int           // files
}

// NewHanging returns a file system of which nothing hangs yet.
func NewHanging(inner disk.FS) *Hanging {
	h := &Hanging{}
	h.FS = Intercept(inner, h.do)
	return h
}

// OpenFiles is how many files are open.
func (h *Hanging) OpenFiles() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// Hang makes operations that which picks hang until release is called. Which is asked
// about each operation as it begins.
func (h *Hanging) Hang(which func(op Op, name string) bool) (release func()) {
	over := make(chan struct{})
	h.mu.Lock()
	h.hung, h.over = which, over
	h.mu.Unlock()
	return func() {
		h.mu.Lock()
		h.hung = nil
		h.mu.Unlock()
		close(over)
	}
}

func (h *Hanging) do(op Op, name string, run func() error) error {
	h.mu.Lock()
	hangs, over := h.hung != nil && h.hung(op, name), h.over
	h.mu.Unlock()
	if hangs {
		<-over
	}
	err := run()
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case op == Close:
		h.open--
	case err == nil && (op == Create || op == Open):
		h.open++
	}
	return err
}

type intercepted struct {
	inner disk.FS
	do    func(op Op, name string, run func() error) error
}

func (i intercepted) Create(name string) (disk.File, error) {
	return i.file(Create, name, i.inner.Create)
}

func (i intercepted) Open(name string) (disk.File, error) { return i.file(Open, name, i.inner.Open) }

func (i intercepted) file(op Op, name string, open func(string) (disk.File, error)) (disk.File, error) {
	f, err := result(i, op, name, func() (disk.File, error) { return open(name) })
	if err != nil {
		return nil, err
	}
	return interceptedFile{f, i, name}, nil
}

func (i intercepted) Mkdir(dir string) error {
	return i.do(Mkdir, dir, func() error { return i.inner.Mkdir(dir) })
}

func (i intercepted) Truncate(name string, size int64) error {
	return i.do(Truncate, name, func() error { return i.inner.Truncate(name, size) })
}

func (i intercepted) Rename(from, to string) error {
	return i.do(Rename, to, func() error { return i.inner.Rename(from, to) })
}

func (i intercepted) Remove(name string) error {
	return i.do(Remove, name, func() error { return i.inner.Remove(name) })
}

func (i intercepted) ReadDir(dir string) ([]disk.Entry, error) {
	return result(i, List, dir, func() ([]disk.Entry, error) { return i.inner.ReadDir(dir) })
}

func (i intercepted) SyncDir(dir string) error {
	return i.do(SyncDir, dir, func() error { return i.inner.SyncDir(dir) })
}

func (i intercepted) Lock(name string) (io.Closer, error) {
	return result(i, Lock, name, func() (io.Closer, error) { return i.inner.Lock(name) })
}

type interceptedFile struct {
	disk.File
	fs   intercepted
	name string
}

func (f interceptedFile) ReadAt(p []byte, off int64) (int, error) {
	return result(f.fs, Read, f.name, func() (int, error) { return f.File.ReadAt(p, off) })
}

func (f interceptedFile) WriteAt(p []byte, off int64) (int, error) {
	return result(f.fs, Write, f.name, func() (int, error) { return f.File.WriteAt(p, off) })
}

func (f interceptedFile) Sync() error { return f.fs.do(Sync, f.name, f.File.Sync) }

func (f interceptedFile) Size() (int64, error) { return result(f.fs, Size, f.name, f.File.Size) }

func (f interceptedFile) Close() error { return f.fs.do(Close, f.name, f.File.Close) }

// result runs an operation that returns something.
func result[T any](i intercepted, op Op, name string, run func() (T, error)) (v T, err error) {
	err = i.do(op, name, func() (err error) { v, err = run(); return err })
	return v, err
}
