// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import "errors"

// ErrMissing says that entries which were asked for are not in a log: they were released, or
// lost.
var ErrMissing = errors.New("entries are missing")

// Log is the one order of all entries. An entry has a sequence number: 1 for the first one of
// the log's life, and for each later one the next. Methods are safe for concurrent use.
type Log interface {
	// Append adds an entry and returns its number. It does not wait until the entry is durable,
	// nor for a disk or a network, and retains nothing of the entry. An error means that the
	// entry is not in the log, and says what before it may be lost.
	Append(e *Entry) (seq uint64, err error)
	// Sync waits until the entries up to a number are durable. After an error some may not be.
	Sync(seq uint64) error
	// Read calls apply with the entries from a number on, in order, at least up to the last
	// one that was appended before the call. The entry is valid during the call of apply, whose error ends
	// Read and is returned as it is. An error that wraps [ErrMissing] or [disk.ErrDamaged]
	// means that there are others which cannot be read, and that those after them are of no
	// use, for their order has a gap.
	Read(from uint64, apply func(seq uint64, e *Entry) error) error
	// Release allows the log to remove the entries before a number. It may keep them.
	Release(before uint64) error
	// Close makes durable what was appended, and ends the log.
	Close() error
}
