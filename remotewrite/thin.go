// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// A tick is thin when only its ends are left. Where the log is full, its oldest
// ticks become thin before any is dropped: that is all that folding needs of them,
// and mostly a small part. Thin ticks may take half of the log's bytes, so that a
// dead endpoint leaves room for those that are only late; past it, and past the
// log's age, the oldest are dropped and what ended in them is lost.

// thinShare is the part of the bytes that thin ticks may take, as a divisor.
const thinShare = 2

// thinned returns a copy of a tick in memory with its ends alone.
func (t *loggedTick) thinned() *loggedTick {
	c := *t
	c.zeros, c.values, c.thin, c.bytes = nil, nil, true, tickOverhead
	for i := range c.ends {
		c.bytes += int64(len(c.ends[i].Data)) + tickOverhead
	}
	return &c
}

// thinOldest makes the oldest tick in memory thin that is not, the newest aside.
// It is false where that would not help: drop the oldest then.
func (l *Log) thinOldest() bool {
	var thin int64
	for i, t := range l.ticks[:len(l.ticks)-1] {
		if t.thin {
			thin += t.bytes
			continue
		}
		if (i == 0 && t.ended == 0) || thin > l.maxBytes/thinShare {
			return false
		}
		l.makeThin(i)
		return true
	}
	return false
}

// makeThin makes the tick at index i thin, which lies in memory.
func (l *Log) makeThin(i int) {
	t := l.ticks[i]
	l.replaceThin(i)
	l.seldom.Warn("log is full, kept only what ended in its oldest ticks; the receivers that wait for them get their sums later",
		"tick", time.UnixMilli(t.at).UTC(), "samples", t.samples, "ended_series", t.ended, "log_bytes", l.bytes)
}

func (l *Log) replaceThin(i int) {
	t, left := l.ticks[i], l.ticks[i].thinned()
	l.ticks[i] = left
	l.bytes += left.bytes - t.bytes
	if l.store != nil {
		l.store.memory += left.bytes - t.bytes
	}
}

// thinUnwanted makes ticks in memory thin that are too old for every endpoint: all
// that will be asked of them is their ends.
func (l *Log) thinUnwanted() {
	var widest int64
	for c := range l.cursors {
		if c.window == 0 {
			return
		}
		widest = max(widest, c.window)
	}
	for i, t := range l.ticks[:max(0, len(l.ticks)-1)] {
		switch {
		case t.thin:
		case !l.tooOld(t, widest):
			return
		default:
			l.replaceThin(i)
		}
	}
}

// shed makes the oldest ticks in memory thin, and then gives them up, until the
// rest of those fits. Until something ended in one there is nothing to keep of it.
func (l *Log) shed() {
	s := l.store
	for _, thin := range []bool{true, false} {
		kept := false // of a tick before
		for i := 0; i < len(l.ticks)-1 && s.memoryMax > 0 && s.memory > s.memoryMax; i++ {
			t := l.ticks[i]
			if t.segment != nil || t.gone != "" {
				continue
			}
			kept = kept || t.thin || t.ended > 0
			switch {
			case thin && t.thin:
			case thin && kept:
				l.makeThin(i)
			default:
				l.giveUpInMemory(i)
			}
		}
	}
}

// giveUpInMemory leaves nothing of the tick at index i but that it was there.
func (l *Log) giveUpInMemory(i int) {
	t := l.ticks[i]
	left := t.bare()
	left.gone, left.bytes = reasonLogFull, 0
	l.ticks[i] = left
	l.bytes -= t.bytes
	l.store.memory -= t.bytes
	l.seldom.Warn("the disk is in trouble and memory is full, dropped the oldest tick in memory",
		"tick", time.UnixMilli(t.at).UTC(), "samples", t.samples, "ended_series", t.ended, "ended_bytes", t.endedBytes)
}

// makeRoom makes the oldest segments thin, and drops the oldest thin ones, until n
// more bytes fit. The caller holds appending.
func (l *Log) makeRoom(n int64) {
	s := l.store
	for {
		l.mu.Lock()
		if s.maxBytes == 0 || s.bytes+n <= s.maxBytes || len(s.segments) == 0 {
			l.mu.Unlock()
			return
		}
		if full := l.toThin(); full != nil {
			s.endSegment(full)
			l.mu.Unlock()
			err := l.thinSegment(full)
			switch {
			case err == nil:
				continue
			case errors.Is(err, disk.ErrHangs): // nothing will be written that needs the room
				return
			}
			l.seldom.Error("what ended in the log's oldest ticks cannot be kept", "err", err)
			l.mu.Lock()
			if len(s.segments) == 0 {
				l.mu.Unlock()
				return
			}
		}
		oldest := s.segments[0]
		s.endSegment(oldest)
		for len(l.ticks) > 0 && l.ticks[0].seq <= oldest.last {
			l.dropOldest(reasonLogFull)
		}
		s.doom()
		l.mu.Unlock()
	}
}

// endSegment ends a segment, if ticks are appended to it.
func (s *store) endSegment(g *segment) {
	if s.writer.Active() == g.Segment {
		s.writer.Roll()
	}
}

// toThin returns the oldest segment that is not thin, nil where the oldest
// segment is to be dropped instead.
func (l *Log) toThin() *segment {
	var thin int64
	for i, g := range l.store.segments {
		if g.thin {
			thin += g.size
			continue
		}
		if thin > l.store.maxBytes/thinShare {
			return nil
		}
		ends := func(t *loggedTick) bool { return t.segment == g && t.ended > 0 }
		if i == 0 && !slices.ContainsFunc(l.ticks, ends) {
			return nil
		}
		return g
	}
	return nil
}

// thinSegment puts in a segment's place one with the ends of its ticks that some
// endpoint needs. The caller holds appending, and the segment is not written to.
func (l *Log) thinSegment(g *segment) (err error) {
	s := l.store
	s.sweeping.Lock() // so that its name stays its own
	defer s.sweeping.Unlock()
	l.mu.Lock()
	if !slices.Contains(s.segments, g) {
		l.mu.Unlock()
		return nil
	}
	var ticks []*loggedTick
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
		g.letGo()
		l.mu.Unlock()
	}()

	thin := &segment{Segment: disk.NewSegment(s.fs, g.Name), begun: g.begun, last: g.last, thin: true}
	thin.Salt = rand.Uint64()
	content := disk.AppendHeader(nil, segmentFormat.Magic, segmentFormat.Version, thin.Salt)
	var left []*loggedTick
	for _, t := range ticks {
		c, err := l.endsOf(t)
		if err != nil {
			return err
		}
		c.segment, c.offset = thin, int64(len(content))
		content = segmentFormat.AppendFrame(content, thin.Salt, c.offset, appendIndex(nil, c))
		for i := range c.ends {
			content = append(content, c.ends[i].Data...)
		}
		c.bytes = int64(len(content)) - c.offset
		left = append(left, c.bare())
	}
	thin.size = int64(len(content))
	if _, err = g.Open(); err == nil { // for those that read it
		var f disk.File
		if f, err = disk.Swap(s.fs, g.Name, content); err == nil {
			_ = f.Close() // it was synced
		}
	}
	if err != nil {
		l.mu.Lock()
		// On a disk that does not answer, the thin one may take its name yet.
		g.displaced = g.displaced || errors.Is(err, disk.ErrHangs)
		l.mu.Unlock()
		return fmt.Errorf("log: thin segment %s: %w", g.Name, err)
	}
	_ = s.fs.SyncDir(s.dir) // whatever becomes of this: either file is right

	l.mu.Lock()
	defer l.mu.Unlock()
	s.segments[slices.Index(s.segments, g)], g.displaced = thin, false
	s.bytes += thin.size - g.size
	for _, c := range left {
		// Meanwhile all endpoints may be done with it, and another be the first.
		if i := l.index(c.seq); i < len(l.ticks) && l.ticks[i].seq == c.seq {
			l.bytes += c.bytes - l.ticks[i].bytes
			l.ticks[i] = c
		}
	}
	return nil
}

// endsOf returns a thin copy of a tick on disk, its ends in memory. What is
// damaged is counted and is not in it. The error is the disk's.
func (l *Log) endsOf(t *loggedTick) (*loggedTick, error) {
	c := t.bare()
	c.thin = !t.broken
	if t.ended == 0 {
		return c, nil
	}
	loaded, err := t.segment.load(t)
	if err == nil {
		c.ends = make([]storedBlock, len(loaded.ends))
		for i := range loaded.ends {
			if c.ends[i], err = loaded.ends[i].inMemory(); err != nil {
				break
			}
		}
	}
	if err != nil {
		if !lasting(err) {
			return nil, err
		}
		l.store.damaged(l, damagedBlock, err)
		l.mu.Lock()
		for cur := range l.cursors {
			if cur.next <= t.seq {
				cur.loseEnds(t.ended, t.endedBytes, reasonUnreadable)
			}
		}
		l.mu.Unlock()
		c.ends, c.ended, c.endedBytes = nil, 0, 0
	}
	return c, nil
}
