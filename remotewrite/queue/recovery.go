// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// recover reads what a former process left in the directory: the index of every segment, and the
// cursors. Errors are those that a person has to look at; damage is none.
func (l *Log) recover(checkNames func(text string) (string, error)) error {
	s := l.store
	// What else fails than making it is in the way of each segment too, which says so.
	made := disk.MakeDir(s.fs, s.dir)
	entries, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("log: read directory: %w", errors.Join(made, err))
	}
	files, last := segmentFormat.ListSegments(entries)
	s.writer.Last = last
	for i, e := range files {
		if err := l.recoverSegment(s.path(e.Name), e.Size, i == len(files)-1); err != nil {
			return err
		}
	}
	if n := len(l.ticks); n > 0 {
		last := l.ticks[n-1]
		l.passed(last)
	}
	if err := l.recoverCursors(); err != nil {
		return err
	}
	if err := l.recoverMarks(checkNames); err != nil {
		return err
	}
	l.release()
	for _, e := range entries {
		if strings.HasSuffix(e.Name, disk.NewSuffix) {
			_ = s.fs.Remove(s.path(e.Name)) // it will be removed before there is another
		}
	}
	torn := len(s.toDelete) > 0
	l.sweep()
	if torn {
		// It must not come back after a loss of power: with segments after it, it would
		// be taken for damage.
		if err := s.fs.SyncDir(s.dir); err != nil {
			s.noteTrouble(partLog, err)
		}
	}
	if len(l.cursors) > 0 && len(l.ticks) > 0 {
		l.logger.Info("log continues where the former process ended", "ticks", len(l.ticks), "bytes", l.bytes,
			"first", time.UnixMilli(l.ticks[0].At).UTC(), "last", time.UnixMilli(l.lastAt).UTC())
	}
	return nil
}

// passed makes what comes later than t.
func (l *Log) passed(t *Tick) {
	l.next, l.lastAt = max(l.next, t.Number+1), max(l.lastAt, t.At)
	if t.end().samples > l.total.samples {
		l.total = t.end()
	}
}

// recoverSegment reads the index of a segment.
func (l *Log) recoverSegment(name string, size int64, last bool) error {
	s := l.store
	g := &segment{Segment: disk.NewSegment(s.fs, name), size: size, compacted: true}
	damaged := func(what string, err error) {
		s.damaged(what, fmt.Errorf("segment %s: %w", filepath.Base(name), err))
	}
	defer g.Close()
	err := g.ReadHeader(&segmentFormat)
	if stop := unusable(name, err); stop != nil {
		return stop
	}
	switch {
	case errors.Is(err, disk.ErrDamaged):
		switch {
		case last && size > 0:
			damaged(damagedTail, err)
		case size > 0:
			damaged(damagedSegment, err)
		}
		s.toDelete = append(s.toDelete, g) // nothing in it can be read, ever
		return nil
	case err != nil: // the disk's: it stays where it is
		damaged(damagedSegment, err)
		return nil
	}

	r := disk.FrameReader{From: g, Format: &segmentFormat, Salt: g.Salt, Size: size}
	end, torn, err := r.Scan(func(offset int64, index []byte, body int64) (int64, error) {
		t, end, err := parseIndex(g, index, body, size)
		if err != nil {
			return 0, err
		}
		if last && end >= size {
			if err := t.verify(); errors.Is(err, disk.ErrDamaged) {
				l.passed(t) // its number and time were used, maybe
				return 0, err
			}
		}
		t.offset, t.bytes = offset, end-offset
		l.recoverTick(g, t)
		g.compacted = g.compacted && t.Compacted
		return end, nil
	}, func(offset int64, why error) { damaged(damagedTick, fmt.Errorf("at %d: %w", offset, why)) })
	switch {
	case torn == nil:
	case last && err == nil:
		damaged(damagedTail, fmt.Errorf("%d bytes cut at %d: %w", size-end, end, torn))
		l.cut(g, end)
	default:
		damaged(damagedTick, fmt.Errorf("at %d: %w", end, torn))
	}
	g.compacted = g.compacted && g.last != 0
	if last {
		// A process that was killed before its last sync left bytes that are only in
		// the page cache; also of a segment that it had just begun, which must not come
		// back cut off when others follow it.
		f, err := g.Open()
		if err == nil {
			err = f.Sync()
		}
		if err == nil {
			err = s.fs.SyncDir(s.dir)
		}
		s.noteTrouble(partLog, err)
	}
	s.segments = append(s.segments, g)
	s.bytes += g.size
	return nil
}

// recoverTick adds a tick to the index. One that was written again, after a sync
// that had failed, is there twice: the later one counts.
func (l *Log) recoverTick(g *segment, t *Tick) {
	if i := l.index(t.Number); i < len(l.ticks) {
		for _, old := range l.ticks[i:] {
			l.bytes -= old.bytes
		}
		l.ticks = l.ticks[:i]
	}
	if g.last == 0 {
		g.begun = t.At
	}
	g.last = t.Number
	t = t.bare()
	t.segment = g
	l.ticks = append(l.ticks, t)
	l.bytes += t.bytes
}

// cut takes a damaged tail off a segment.
func (l *Log) cut(g *segment, size int64) {
	if err := l.store.fs.Truncate(g.Name, size); err != nil {
		l.logger.Warn("the damaged tail of a segment cannot be cut off; the next start will find it again", "err", err)
		return
	}
	g.size = size
}

// recoverCursors reads where the endpoints are.
func (l *Log) recoverCursors() error {
	s := l.store
	found, damaged, err := s.readCursors()
	if stop := unusable(s.path(cursorName), err); stop != nil {
		return stop
	}
	for range damaged {
		s.damaged(damagedCursors, fmt.Errorf("a copy in %s: %w", cursorName, disk.ErrDamaged))
	}
	if err != nil && (len(l.ticks) > 0 || !errors.Is(err, fs.ErrNotExist)) {
		s.damaged(damagedCursors, fmt.Errorf("%s: %w", cursorName, err))
	}
	if found == nil {
		if len(l.ticks) > 0 {
			first := l.ticks[0]
			l.logger.Warn("it is not known what the endpoints had sent: all that is on disk is sent again, and some receivers will refuse what they have",
				"ticks", len(l.ticks))
			l.addParked(wildcard, cursorState{next: first.Number, begun: first.After, lost: Never, passed: first.before, sent: first.After, stamp: Never, doubt: l.next})
		}
		return nil
	}
	l.next, l.lastAt = max(l.next, found.next), max(l.lastAt, found.lastAt)
	if found.total.samples > l.total.samples {
		l.total = found.total
	}
	for id, state := range found.states {
		l.addParked(id, state)
	}
	return nil
}

// wildcard stands for every endpoint that the log does not know, at the place
// where they start when the cursor file is lost: the oldest tick. What some of
// them had sent is sent again; receivers take it for what it is.
var wildcard Hash

// addParked adds a cursor that waits for its endpoint.
func (l *Log) addParked(id Hash, state cursorState) {
	c := l.addCursor()
	c.id = id
	c.resume(state)
	if c.sent == Never {
		// A file of version 1. What was under way may have been sent.
		c.sent = max(c.begun, c.lost)
		if i := l.index(c.next); i < len(l.ticks) {
			c.sent = max(c.sent, l.ticks[i].At)
		}
	}
	for _, t := range l.ticks[l.index(c.next):] {
		c.pending += int64(t.Samples)
	}
	l.parked[id] = c
}

// resume puts the cursor where another was.
func (c *Cursor) resume(s cursorState) { c.cursorState, c.resumed = s, s.next }
