// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/skydive-project/skybridge/disk"
)

// makeRoom compacts the oldest segments, and drops the oldest compacted ones, until n more
// bytes fit. The caller holds appending.
func (l *Log) makeRoom(n int64) {
	for l.reduceDisk(n) {
	}
}

// reduceDisk does so with one segment. It is false where n more bytes fit, or nothing can
// be done.
func (l *Log) reduceDisk(n int64) bool {
	s := l.store
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.maxBytes == 0 || s.bytes+n <= s.maxBytes || len(s.segments) == 0 {
		return false
	}
	if full := l.toCompact(); full != nil {
		s.endSegment(full)
		l.mu.Unlock()
		err := l.compactSegment(full)
		l.mu.Lock()
		switch {
		case err == nil:
			return true
		case errors.Is(err, disk.ErrHangs): // nothing will be written that needs the room
			return false
		}
		l.seldom.Error("what ended in the log's oldest ticks cannot be kept", "err", err)
		if len(s.segments) == 0 {
			return false
		}
	}
	oldest := s.segments[0]
	s.endSegment(oldest)
	for len(l.ticks) > 0 && l.ticks[0].Number <= oldest.last {
		l.dropOldest(ReasonLogFull)
	}
	s.markForDeletion()
	return true
}

// endSegment ends a segment, if ticks are appended to it.
func (s *store) endSegment(g *segment) {
	if s.writer.Active() == g.Segment {
		s.writer.Roll()
	}
}

// toCompact returns the oldest segment that is not compacted, nil where the oldest
// segment is to be dropped instead.
func (l *Log) toCompact() *segment {
	var compacted int64
	for i, g := range l.store.segments {
		if g.compacted {
			compacted += g.size
			continue
		}
		if compacted > l.store.maxBytes/compactedShare {
			return nil
		}
		ends := func(t *Tick) bool { return t.segment == g && t.Ended > 0 }
		if i == 0 && !slices.ContainsFunc(l.ticks, ends) {
			return nil
		}
		return g
	}
	return nil
}

// compactSegment puts in a segment's place one with the ends of its ticks that some
// endpoint needs. The caller holds appending, and the segment is not written to.
func (l *Log) compactSegment(g *segment) (err error) {
	s := l.store
	s.sweeping.Lock() // so that its name stays its own
	defer s.sweeping.Unlock()
	l.mu.Lock()
	if !slices.Contains(s.segments, g) {
		l.mu.Unlock()
		return nil
	}
	var ticks []*Tick
	for _, t := range l.ticks {
		if t.segment == g {
			ticks = append(ticks, t)
		}
	}
	g.refs++ // and open, for other cursors may read it under its old name
	l.mu.Unlock()
	_ = l.save() // that the rest was sent, as in sweep; noted as trouble
	defer func() {
		l.mu.Lock()
		g.release()
		l.mu.Unlock()
	}()

	compacted := &segment{Segment: disk.NewSegment(s.fs, g.Name), begun: g.begun, last: g.last, compacted: true}
	compacted.Salt = rand.Uint64()
	content := disk.AppendHeader(nil, segmentFormat.Magic, segmentFormat.Version, compacted.Salt)
	var left []*Tick
	for _, t := range ticks {
		c, err := l.endsOf(t)
		if err != nil {
			return err
		}
		c.segment, c.offset = compacted, int64(len(content))
		content = segmentFormat.AppendFrame(content, compacted.Salt, c.offset, appendIndex(nil, c))
		for i := range c.Ends {
			content = append(content, c.Ends[i].Data...)
		}
		c.bytes = int64(len(content)) - c.offset
		left = append(left, c.bare())
	}
	compacted.size = int64(len(content))
	if _, err = g.Open(); err == nil { // for those that read it
		var f disk.File
		if f, err = disk.Swap(s.fs, g.Name, content); err == nil {
			_ = f.Close() // it was synced
		}
	}
	if err != nil {
		l.mu.Lock()
		// On a disk that does not answer, the compacted one may take its name yet.
		g.displaced = g.displaced || errors.Is(err, disk.ErrHangs)
		l.mu.Unlock()
		return fmt.Errorf("log: compacted segment %s: %w", g.Name, err)
	}
	_ = s.fs.SyncDir(s.dir) // whatever becomes of this: either file is right

	l.mu.Lock()
	defer l.mu.Unlock()
	s.segments[slices.Index(s.segments, g)], g.displaced = compacted, false
	s.bytes += compacted.size - g.size
	for _, c := range left {
		// Meanwhile all endpoints may be done with it, and another be the first.
		if i := l.index(c.Number); i < len(l.ticks) && l.ticks[i].Number == c.Number {
			l.bytes += c.bytes - l.ticks[i].bytes
			l.ticks[i] = c
		}
	}
	return nil
}

// endsOf returns a compacted copy of a tick on disk, its ends in memory. What is
// damaged is counted and is not in it. The error is the disk's.
func (l *Log) endsOf(t *Tick) (*Tick, error) {
	c := t.bare()
	c.Compacted = !t.Broken
	if t.Ended == 0 {
		return c, nil
	}
	loaded, err := t.load()
	if err == nil {
		c.Ends = make([]Block, len(loaded.Ends))
		for i := range loaded.Ends {
			if c.Ends[i], err = loaded.Ends[i].InMemory(); err != nil {
				break
			}
		}
	}
	if err != nil {
		if !Lasting(err) {
			return nil, err
		}
		l.store.damaged(DamagedBlock, err)
		l.mu.Lock()
		for cur := range l.cursors {
			if cur.next <= t.Number {
				cur.loseEnds(t.Ended, t.EndedBytes, ReasonUnreadable)
			}
		}
		l.mu.Unlock()
		c.Ends, c.Ended, c.EndedBytes = nil, 0, 0
	}
	return c, nil
}
