// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"bytes"
	"io"
	"io/fs"
	"slices"
)

// file is an open file of a Disk, whose lock is held by its methods.
type file struct {
	disk     *Disk
	name     string
	inode    *inode
	life     int
	writable bool
	closed   bool
}

// check says why the file cannot be used.
func (f *file) check() error {
	switch {
	case f.life != f.disk.life:
		return ErrDead
	case f.closed:
		return fs.ErrClosed
	}
	return nil
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	if off >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.inode.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	if !f.writable {
		return 0, fs.ErrPermission
	}
	err := f.disk.failing
	if err != nil {
		p = p[:f.disk.random.IntN(len(p)+1)] // some of it was written
	}
	if end := int(off) + len(p); end > len(f.inode.data) {
		f.inode.data = append(f.inode.data, make([]byte, end-len(f.inode.data))...)
	}
	copy(f.inode.data[off:], p)
	for s := int(off) / sector; s*sector < int(off)+len(p); s++ {
		delete(f.inode.lost, s)
	}
	return len(p), err
}

// Sync makes the file durable. One that fails leaves the bytes on the disk or not;
// and as on Linux, a later one does not make up for it: the pages are clean.
func (f *file) Sync() error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.disk.failing; err != nil {
		if !f.disk.dead { // else it was not even asked
			f.inode.forget()
		}
		return err
	}
	f.inode.sync()
	return nil
}

// sync makes the data durable, without the sectors that were forgotten.
func (i *inode) sync() {
	old := i.durable
	i.durable = slices.Clone(i.data)
	for s := range i.lost {
		from := min(s*sector, len(i.durable))
		part := i.durable[from:min(from+sector, len(i.durable))]
		clear(part)
		if from < len(old) {
			copy(part, old[from:])
		}
	}
}

// forget marks what is not durable as lost.
func (i *inode) forget() {
	if i.lost == nil {
		i.lost = make(map[int]bool)
	}
	for from := 0; from < len(i.data); from += sector {
		end := min(from+sector, len(i.data))
		if end > len(i.durable) || !bytes.Equal(i.data[from:end], i.durable[from:end]) {
			i.lost[from/sector] = true
		}
	}
}

func (f *file) Size() (int64, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	return int64(len(f.inode.data)), nil
}

func (f *file) Close() error {
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return nil
}
