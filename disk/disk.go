// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package disk is the one way to write files that must survive a crash: the file
// operations, so that a test can put a disk in their place that loses power or
// breaks (internal/disktest); headers and checksums (format.go, decoder.go); segments
// of frames (segment.go, writer.go); files that are replaced whole (replace.go) or
// written often (slots.go); and what is wrong with a disk (trouble.go). What a frame
// or a payload means is its user's.
package disk

import (
	"errors"
	"io"
)

// ErrLocked says that another process holds a lock.
var ErrLocked = errors.New("another process holds the lock")

// FS is a file system. What it promises is what POSIX does, and so little: the
// bytes of a file survive a loss of power once Sync has returned, its name once
// SyncDir has. Errors wrap those of the system. Methods are safe for concurrent
// use.
type FS interface {
	// Mkdir makes a directory for the owner alone. It fails where the name exists,
	// and where the directory above it does not.
	Mkdir(dir string) error
	// Create makes an empty file for the owner alone, to be written and read. It
	// fails where the name exists.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Truncate cuts a file and syncs it.
	Truncate(name string, size int64) error
	// Rename gives a file another name in the same directory; a file that had it
	// is gone.
	Rename(from, to string) error
	Remove(name string) error
	// ReadDir lists the files of a directory, without its directories, by name.
	ReadDir(dir string) ([]Entry, error)
	// SyncDir makes the names in a directory durable, those of directories as well.
	SyncDir(dir string) error
	// Lock takes a lock that ends with the process, on a file that it makes; held
	// by another process it is ErrLocked.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the bytes written so far durable. After an error nothing is known
	// about them, whatever a later Sync says: they must be written again.
	Sync() error
	Size() (int64, error)
}

// Entry is a file in a directory.
type Entry struct {
	Name string
	Size int64
}
