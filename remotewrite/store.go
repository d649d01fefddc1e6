// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
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
	// writeChunk is how much is written at once.
	writeChunk    = 1 << 20
	segmentSuffix = ".seg"
)

// store is the disk under a durable log: its segments, and its cursor file.
//
// A tick is written and synced before it is visible. Where that fails, the
// segment is left as it was before and never written again, for after a failed
// sync nothing is known of what was written; the tick stays in memory, visible,
// and each tick that comes tries again to write those that wait there, in order.
type store struct {
	fs                                disk.FS
	dir                               string
	maxBytes, segmentBytes, memoryMax int64
	metrics                           *storeMetrics
	troubles                          troubles

	// The log's appending guards these.
	active *activeSegment // nil: the next tick begins one
	serial uint64         // of the last segment that was made
	buf    []byte
	marks  markFile

	// The log's mu guards these.
	segments []*segment // oldest first; the active one is the last, if it has ticks
	doomed   []*segment // to be removed
	bytes    int64      // of segments
	memory   int64      // of ticks that are in memory

	sweeping sync.Mutex
	saving   sync.Mutex // taken before the log's mu; guards cursors
	cursors  cursorFile
	closed   atomic.Bool
}

// activeSegment is the segment that ticks are appended to.
type activeSegment struct {
	*segment
	file  disk.File
	end   int64 // of the last tick that was synced
	named bool  // the directory is synced
}

func (s *store) path(name string) string { return filepath.Join(s.dir, name) }

// write appends a tick and syncs it. It returns the tick as it lies on disk.
func (s *store) write(t *loggedTick) (*loggedTick, error) {
	if err := s.prepare(t.at); err != nil {
		return nil, err
	}
	stored, err := s.append(t)
	if err != nil {
		s.abandon(errors.Is(err, disk.ErrGone))
		return nil, fmt.Errorf("log: segment %s: %w", stored.segment.name, err)
	}
	return stored, nil
}

// prepare makes a segment, where the last is full or there is none.
func (s *store) prepare(at int64) error {
	if a := s.active; a != nil && (a.end >= s.segmentBytes || at-a.begun > segmentAge.Milliseconds()) {
		s.finish()
	}
	for s.active == nil {
		if err := disk.MakeDir(s.fs, s.dir); err != nil {
			return fmt.Errorf("log: make directory: %w", err)
		}
		s.serial++
		name := s.path(fmt.Sprintf("%012d%s", s.serial, segmentSuffix))
		f, err := s.fs.Create(name)
		if errors.Is(err, fs.ErrExist) {
			continue // one that could not be removed
		}
		if err != nil {
			return fmt.Errorf("log: create segment: %w", err)
		}
		s.active = &activeSegment{segment: &segment{store: s, name: name, salt: rand.Uint64(), begun: at}, file: f, end: segmentHeader}
		s.active.open.Store(true)
	}
	return nil
}

// append writes t behind the active segment's last tick.
func (s *store) append(t *loggedTick) (*loggedTick, error) {
	a := s.active
	stored := t.bare()
	stored.segment, stored.offset = a.segment, a.end
	end := a.end
	s.buf = s.buf[:0]
	if end == segmentHeader {
		s.buf, end = disk.AppendHeader(s.buf, segmentMagic, segmentVersion, a.salt), 0
	}
	s.buf = appendFrame(s.buf, t, a.salt, stored.offset)
	flush := func() error {
		n, err := a.file.WriteAt(s.buf, end)
		end += int64(n)
		s.buf = s.buf[:0]
		return err
	}
	for _, group := range t.groups() {
		for i := range group {
			s.buf = append(s.buf, group[i].data...)
			if len(s.buf) >= writeChunk {
				if err := flush(); err != nil {
					return stored, err
				}
			}
		}
	}
	if err := flush(); err != nil {
		return stored, err
	}
	if err := s.sync(a.file); err != nil {
		return stored, err
	}
	if !a.named {
		if err := s.fs.SyncDir(s.dir); err != nil {
			return stored, err
		}
		a.named = true
	}
	if err := disk.Gone(s.fs, a.name, end); err != nil {
		return stored, err
	}
	stored.bytes = end - a.end
	a.end = end
	return stored, nil
}

// sync syncs a file and measures that.
func (s *store) sync(f disk.File) error {
	began := time.Now()
	err := f.Sync()
	s.metrics.fsync.Observe(time.Since(began).Seconds())
	return err
}

// replace puts a file with that content in the place of another, or of none: under
// another name first, so that there is one or the other.
func (s *store) replace(under, name string, content []byte) error {
	if err := s.fs.Remove(under); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an attempt that failed
		return err
	}
	f, err := s.fs.Create(under)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = s.sync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.fs.Rename(under, name)
}

// finish ends the active segment.
func (s *store) finish() {
	if s.active != nil {
		_ = s.active.file.Close() // all that counts was synced
		s.active.open.Store(false)
		s.active = nil
	}
}

// abandon ends the active segment after a write that failed, and takes back what
// that left; if it cannot be, the next start finds and skips it. Where the file is
// gone, there may be another's.
func (s *store) abandon(gone bool) {
	a := s.active
	s.finish()
	switch {
	case gone:
		s.marks.saved = 0 // gone as well, perhaps
	case a.end == segmentHeader:
		_ = s.fs.Remove(a.name)
	default:
		_ = s.fs.Truncate(a.name, a.end)
	}
}

// persist brings a tick to disk, after those that wait in memory for it. It
// returns the tick as it is to be kept: as it was, if the disk is in trouble. The
// caller holds appending.
func (l *Log) persist(t *loggedTick) *loggedTick {
	err := fs.ErrClosed
	if !l.store.closed.Load() {
		err = l.drain()
	}
	if err == nil {
		t, err = l.writeTick(t)
	}
	l.store.troubles.note(l, partLog, err)
	return t
}

// drain writes the ticks that wait in memory.
func (l *Log) drain() error {
	for {
		l.mu.Lock()
		i := -1
		if l.store.memory > 0 {
			i = slices.IndexFunc(l.ticks, func(t *loggedTick) bool { return t.segment == nil && t.gone == "" })
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
		if i := l.index(t.seq); i < len(l.ticks) && l.ticks[i] == t {
			l.ticks[i] = stored
			l.bytes += stored.bytes - t.bytes
			l.store.memory -= t.bytes
		}
		l.mu.Unlock()
	}
}

// writeTick makes room for a tick and writes it; on an error it returns the tick
// that it was given.
func (l *Log) writeTick(t *loggedTick) (*loggedTick, error) {
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
		s.segments = append(s.segments, a.segment)
	}
	s.bytes += a.end - a.size
	a.size, a.last = a.end, t.seq
	return stored, nil
}

// doom takes the oldest segment out of the log. The log's mu is held.
func (s *store) doom() {
	oldest := s.segments[0]
	s.segments = slices.Delete(s.segments, 0, 1)
	s.bytes -= oldest.size
	s.doomed = append(s.doomed, oldest)
}

// letGo ends a cursor's reference. The log's mu is held.
func (s *segment) letGo() {
	s.refs--
	if s.refs == 0 && !s.displaced {
		s.close()
	}
}

// sweep removes segments that nobody needs. That the cursors are past them must
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
		needed = l.ticks[0].seq
	}
	for len(s.segments) > 0 && s.segments[0].last < needed && !s.segments[0].open.Load() {
		s.doom()
	}
	due := 0
	for _, d := range s.doomed {
		if d.refs == 0 {
			due++
		}
	}
	l.mu.Unlock()
	if (due > 0 || s.troubles.in(partCursors)) && l.save() != nil || due == 0 {
		return
	}
	l.mu.Lock()
	var remove []*segment
	s.doomed = slices.DeleteFunc(s.doomed, func(d *segment) bool {
		if d.refs > 0 {
			return false
		}
		remove = append(remove, d)
		return true
	})
	l.mu.Unlock()
	var kept []*segment
	for _, d := range remove {
		d.close()
		if err := s.fs.Remove(d.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			kept = append(kept, d) // until the next time
		}
	}
	l.mu.Lock()
	s.doomed = append(s.doomed, kept...)
	l.mu.Unlock()
}
