// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"sync"

	"github.com/skydive-project/skybridge/disk"
)

// Hanging is a file system on which reading, writing and syncing of files can be
// made to hang, as on a network drive whose server has gone. Its methods may be
// called concurrently.
type Hanging struct {
	disk.FS

	mu   sync.Mutex
	hung func(op Op, name string) bool
	over chan struct{} // closed when nothing hangs any more
}

// Read is what hangs beside Write and Sync.
const Read Op = "read"

// Hang makes operations on files that which picks hang until release is called.
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
func (h *Hanging) Create(name string) (disk.File, error) { return h.file(name, h.FS.Create) }

// Open implements disk.FS.
func (h *Hanging) Open(name string) (disk.File, error) { return h.file(name, h.FS.Open) }

func (h *Hanging) file(name string, open func(string) (disk.File, error)) (disk.File, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
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
