// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"io"
	"sync"

	"github.com/skydive-project/skybridge/disk"
)

// Hanging is a file system whose operations can be made to hang, as on a network drive
// whose server has gone. Its methods may be called concurrently.
type Hanging struct {
	disk.FS

	mu   sync.Mutex
	hung func(op Op, name string) bool
	over chan struct{} // closed when nothing hangs any more
	open int           // files
}

// OpenFiles is how many files are open.
func (h *Hanging) OpenFiles() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

func (h *Hanging) opened(files int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open += files
}

// What may hang beside the operations that change something.
const (
	Read  Op = "read"
	Size  Op = "size"
	Close Op = "close"
	Open  Op = "open"
	Mkdir Op = "mkdir"
	List  Op = "list"
	Lock  Op = "lock"
)

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

func (h *Hanging) wait(op Op, name string) {
	h.mu.Lock()
	hangs, over := h.hung != nil && h.hung(op, name), h.over
	h.mu.Unlock()
	if hangs {
		<-over
	}
}

// Create implements disk.FS.
func (h *Hanging) Create(name string) (disk.File, error) { return h.file(Create, name, h.FS.Create) }

// Open implements disk.FS.
func (h *Hanging) Open(name string) (disk.File, error) { return h.file(Open, name, h.FS.Open) }

// Mkdir implements disk.FS.
func (h *Hanging) Mkdir(dir string) error {
	h.wait(Mkdir, dir)
	return h.FS.Mkdir(dir)
}

// Truncate implements disk.FS.
func (h *Hanging) Truncate(name string, size int64) error {
	h.wait(Truncate, name)
	return h.FS.Truncate(name, size)
}

// Rename implements disk.FS.
func (h *Hanging) Rename(from, to string) error {
	h.wait(Rename, to)
	return h.FS.Rename(from, to)
}

// Remove implements disk.FS.
func (h *Hanging) Remove(name string) error {
	h.wait(Remove, name)
	return h.FS.Remove(name)
}

// ReadDir implements disk.FS.
func (h *Hanging) ReadDir(dir string) ([]disk.Entry, error) {
	h.wait(List, dir)
	return h.FS.ReadDir(dir)
}

// SyncDir implements disk.FS.
func (h *Hanging) SyncDir(dir string) error {
	h.wait(SyncDir, dir)
	return h.FS.SyncDir(dir)
}

// Lock implements disk.FS.
func (h *Hanging) Lock(name string) (io.Closer, error) {
	h.wait(Lock, name)
	return h.FS.Lock(name)
}

func (h *Hanging) file(op Op, name string, open func(string) (disk.File, error)) (disk.File, error) {
	h.wait(op, name)
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	h.opened(1)
	return &hangingFile{File: f, fs: h, name: name}, nil
}

type hangingFile struct {
	disk.File
	fs   *Hanging
	name string
}

func (f *hangingFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.wait(Read, f.name)
	return f.File.ReadAt(p, off)
}

func (f *hangingFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.wait(Write, f.name)
	return f.File.WriteAt(p, off)
}

func (f *hangingFile) Sync() error {
	f.fs.wait(Sync, f.name)
	return f.File.Sync()
}

func (f *hangingFile) Size() (int64, error) {
	f.fs.wait(Size, f.name)
	return f.File.Size()
}

func (f *hangingFile) Close() error {
	f.fs.wait(Close, f.name)
	f.fs.opened(-1)
	return f.File.Close()
}
