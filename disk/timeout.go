// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrHangs says that the disk does not answer: an operation took too long, or another
// one before it did and has not ended yet.
var ErrHangs = errors.New("the disk does not answer")

// WithTimeout returns system with an end to every operation: one that takes longer
// than limit fails with [ErrHangs], and so does, at once, every other until it has ended
// after all, which it may do with or without its effect, as with any error. So a network
// drive whose server is gone is a failing disk, and not a process that stands still;
// and what is tried on it meanwhile does not pile up.
func WithTimeout(system FS, limit time.Duration) FS {
	return &timedFS{system: system, limit: limit}
}

type timedFS struct {
	system  FS
	limit   time.Duration
	hung    atomic.Int64 // operations that took too long and have not ended
	buffers sync.Pool    // of *[]byte
}

// within runs an operation on a file or directory of that name. What it returns late
// goes to discard, which may be nil.
func within[T any](t *timedFS, name string, op func() (T, error), discard func(T)) (result T, err error) {
	if t.hung.Load() > 0 {
		return result, fmt.Errorf("%s: %w", name, ErrHangs)
	}
	type answer struct {
		result T
		err    error
	}
	ended := make(chan answer, 1)
	go func() {
		result, err := op()
		ended <- answer{result, err}
	}()
	over := time.NewTimer(t.limit)
	defer over.Stop()
	select {
	case a := <-ended:
		return a.result, a.err
	case <-over.C:
		select {
		case a := <-ended: // as well: this process was stopped meanwhile
			return a.result, a.err
		default:
		}
	}
	t.hung.Add(1)
	go func() {
		defer t.hung.Add(-1)
		if a := <-ended; a.err == nil && discard != nil {
			discard(a.result)
		}
	}()
	return result, fmt.Errorf("%s: %w: no end after %s", name, ErrHangs, t.limit)
}

// run is within for what returns nothing but an error.
func (t *timedFS) run(name string, op func() error) error {
	_, err := within(t, name, func() (struct{}, error) { return struct{}{}, op() }, nil)
	return err
}

func (t *timedFS) file(name string, open func(string) (File, error)) (File, error) {
	f, err := within(t, name, func() (File, error) { return open(name) }, func(f File) { _ = f.Close() })
	if err != nil {
		return nil, err
	}
	return &timedFile{fs: t, name: name, file: f}, nil
}

// Mkdir implements FS.
func (t *timedFS) Mkdir(dir string) error {
	return t.run(dir, func() error { return t.system.Mkdir(dir) })
}

// Create implements FS.
func (t *timedFS) Create(name string) (File, error) { return t.file(name, t.system.Create) }

// Open implements FS.
func (t *timedFS) Open(name string) (File, error) { return t.file(name, t.system.Open) }

// Truncate implements FS.
func (t *timedFS) Truncate(name string, size int64) error {
	return t.run(name, func() error { return t.system.Truncate(name, size) })
}

// Rename implements FS.
func (t *timedFS) Rename(from, to string) error {
	return t.run(to, func() error { return t.system.Rename(from, to) })
}

// Remove implements FS.
func (t *timedFS) Remove(name string) error {
	return t.run(name, func() error { return t.system.Remove(name) })
}

// ReadDir implements FS.
func (t *timedFS) ReadDir(dir string) ([]Entry, error) {
	return within(t, dir, func() ([]Entry, error) { return t.system.ReadDir(dir) }, nil)
}

// SyncDir implements FS.
func (t *timedFS) SyncDir(dir string) error {
	return t.run(dir, func() error { return t.system.SyncDir(dir) })
}

// Lock implements FS.
func (t *timedFS) Lock(name string) (io.Closer, error) {
	return within(t, name, func() (io.Closer, error) { return t.system.Lock(name) }, func(c io.Closer) { _ = c.Close() })
}

// transfer runs the reading or writing of a file with a buffer of n bytes, which fill
// prepares and take is given. An operation that hangs keeps the buffer: the caller's
// memory serves other data meanwhile.
func (t *timedFS) transfer(name string, n int, fill func(buf []byte), op func(buf []byte) (int, error), take func(buf []byte)) (int, error) {
	buf, _ := t.buffers.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	*buf = slices.Grow((*buf)[:0], n)[:n]
	fill(*buf)
	done, err := within(t, name, func() (int, error) { return op(*buf) }, nil)
	if errors.Is(err, ErrHangs) {
		return 0, err
	}
	take((*buf)[:done])
	t.buffers.Put(buf)
	return done, err
}

// timedFile is a file of a timedFS.
type timedFile struct {
	fs   *timedFS
	name string
	file File
}

// ReadAt implements File.
func (f *timedFile) ReadAt(p []byte, off int64) (int, error) {
	return f.fs.transfer(f.name, len(p), func([]byte) {},
		func(buf []byte) (int, error) { return f.file.ReadAt(buf, off) },
		func(read []byte) { copy(p, read) })
}

// WriteAt implements File.
func (f *timedFile) WriteAt(p []byte, off int64) (int, error) {
	return f.fs.transfer(f.name, len(p), func(buf []byte) { copy(buf, p) },
		func(buf []byte) (int, error) { return f.file.WriteAt(buf, off) },
		func([]byte) {})
}

// Sync implements File.
func (f *timedFile) Sync() error { return f.fs.run(f.name, f.file.Sync) }

// Size implements File.
func (f *timedFile) Size() (int64, error) { return within(f.fs, f.name, f.file.Size, nil) }

// Close implements File. It is tried even on a disk that hangs: there is no second time.
func (f *timedFile) Close() error {
	if f.fs.hung.Load() > 0 {
		go func() { _ = f.file.Close() }()
		return fmt.Errorf("%s: %w", f.name, ErrHangs)
	}
	return f.fs.run(f.name, f.file.Close)
}
