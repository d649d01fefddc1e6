// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

const (
	maxSegmentBytes = 64 << 20
	// segmentAge is how long a segment takes ticks: so long at most its first ones
	// take room after all endpoints have them.
	segmentAge = time.Hour
)

// store is the disk under a durable log: its segments, its cursor file and its mark
// file.
//
// A tick is written and synced before it is visible. Where that fails, the tick
// stays in memory, visible, and each tick that comes tries again to write those that
// wait there, in order.
type store struct {
	fs                                disk.FS
	dir                               string
	maxBytes, segmentBytes, memoryMax int64
	metrics                           *storeMetrics
	trouble                           disk.Trouble

	// The log's appending guards these.
	writer     disk.SegmentWriter
	active     *segment // the one that ticks are appended to, or the one before
	index      []byte
	marksSaved uint64 // the version of the marks that is durable

	// The log's mu guards these.
	segments []*segment // oldest first; the active one is the last, if it has ticks
	toDelete []*segment // to be removed
	bytes    int64      // of segments
	memory   int64      // of ticks that are in memory

	sweeping sync.Mutex
	saving   sync.Mutex // taken before the log's mu; guards cursors
	cursors  *disk.Slots
	closed   atomic.Bool
}

func (s *store) path(name string) string { return filepath.Join(s.dir, name) }

// write appends a tick and syncs it. It returns the tick as it is on disk.
func (s *store) write(t *Tick) (*Tick, error) {
	w := &s.writer
	if size := w.Size(); size >= s.segmentBytes || size > 0 && t.At-s.active.begun > segmentAge.Milliseconds() {
		w.Roll()
	}
	s.index = appendIndex(s.index[:0], t)
	file, offset, end, err := w.Append(s.index, t.bodies())
	if errors.Is(err, disk.ErrGone) {
		s.marksSaved = 0 // gone as well, perhaps
	}
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	if offset == segmentHeader {
		s.active = &segment{Segment: file, begun: t.At}
	}
	stored := t.bare()
	stored.segment, stored.offset, stored.bytes = s.active, offset, end-offset
	return stored, nil
}

// persist brings a tick to disk, after those that wait in memory for it. It
// returns the tick as it is to be kept: as it was, if the disk fails. The
// caller holds appending.
func (l *Log) persist(t *Tick) *Tick {
	err := fs.ErrClosed
	if !l.store.closed.Load() {
		err = l.drain()
	}
	if err == nil {
		t, err = l.writeTick(t)
	}
	l.noteTrouble(partLog, err)
	return t
}

// drain writes the ticks that wait in memory.
func (l *Log) drain() error {
	for {
		l.mu.Lock()
		i := -1
		if l.store.memory > 0 {
			i = slices.IndexFunc(l.ticks, func(t *Tick) bool { return t.segment == nil && t.gone == "" })
		}
		if i < 0 {
			l.mu.Unlock()
			return nil
		}
		t := l.ticks[i]
		l.mu.Unlock()
		stored, err := l.writeTick(t)
		if err != nil {
			return err
		}
		l.mu.Lock()
		if i := l.index(t.Number); i < len(l.ticks) && l.ticks[i] == t {
			l.ticks[i] = stored
			l.bytes += stored.bytes - t.bytes
			l.store.memory -= t.bytes
		}
		l.mu.Unlock()
	}
}

// writeTick makes room for a tick and writes it; on an error it returns the tick
// that it was given.
func (l *Log) writeTick(t *Tick) (*Tick, error) {
	s := l.store
	l.makeRoom(t.bytes + segmentHeader)
	if err := l.saveMarks(); err != nil { // before the first tick that uses them
		return t, err
	}
	stored, err := s.write(t)
	if err != nil {
		return t, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := s.active
	if a.size == 0 {
		s.segments = append(s.segments, a)
	}
	end := stored.offset + stored.bytes
	s.bytes += end - a.size
	a.size, a.last = end, t.Number
	return stored, nil
}

// markForDeletion takes the oldest segment out of the log. The log's mu is held.
func (s *store) markForDeletion() {
	oldest := s.segments[0]
	s.segments = slices.Delete(s.segments, 0, 1)
	s.bytes -= oldest.size
	s.toDelete = append(s.toDelete, oldest)
}

// release ends a cursor's reference. The log's mu is held.
func (s *segment) release() {
	s.refs--
	if s.refs == 0 && !s.displaced {
		s.Close()
	}
}

// sweep removes segments that no endpoint needs. That the cursors are past them must
// be on disk first: a cursor that finds its ticks gone takes them for lost, and
// makes up for zeros that the receiver has.
func (l *Log) sweep() {
	s := l.store
	if s == nil {
		return
	}
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	if s.closed.Load() {
		return
	}
	l.mu.Lock()
	needed := l.next
	if len(l.ticks) > 0 {
		needed = l.ticks[0].Number
	}
	for len(s.segments) > 0 && s.segments[0].last < needed && !s.segments[0].Growing() {
		s.markForDeletion()
	}
	due := 0
	for _, d := range s.toDelete {
		if d.refs == 0 {
			due++
		}
	}
	l.mu.Unlock()
	if (due > 0 || s.trouble.Of(partCursors) != nil) && l.save() != nil || due == 0 {
		return
	}
	l.mu.Lock()
	var remove []*segment
	s.toDelete = slices.DeleteFunc(s.toDelete, func(d *segment) bool {
		if d.refs > 0 {
			return false
		}
		remove = append(remove, d)
		return true
	})
	l.mu.Unlock()
	var kept []*segment
	for _, d := range remove {
		d.Close()
		if err := s.fs.Remove(d.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			kept = append(kept, d) // until the next time
		}
	}
	l.mu.Lock()
	s.toDelete = append(s.toDelete, kept...)
	l.mu.Unlock()
}
