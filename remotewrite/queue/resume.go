// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/disk"
)

// Open returns the durable log in cfg.Dir, with what a former process left
// there, and with its metrics registered on reg. The endpoints of the former
// process continue where they were when a Sender's first Apply names them. No other
// process may use the directory. Damage is no error: what cannot be read is skipped,
// counted and logged. Close ends the log.
func Open(cfg Config, reg prometheus.Registerer, logger *slog.Logger) (*Log, error) {
	inMemory := cfg
	inMemory.MaxBytes = 0
	l := newLog(inMemory, logger)
	if !cfg.Opened.IsZero() {
		l.opened = cfg.Opened.UnixMilli()
	}
	s := &store{
		fs: cfg.FS, dir: cfg.Dir, maxBytes: cfg.MaxBytes, segmentBytes: cfg.SegmentBytes, memoryMax: cfg.MemoryMaxBytes,
		metrics: newStoreMetrics(),
	}
	if s.fs == nil {
		s.fs = disk.OS{}
	}
	if s.segmentBytes == 0 {
		s.segmentBytes = maxSegmentBytes
		if s.maxBytes > 0 {
			s.segmentBytes = min(s.segmentBytes, cmp.Or(s.maxBytes/16, 1))
		}
	}
	s.fs = disk.MeasureSyncs(s.fs, func(d time.Duration) { s.metrics.fsync.Observe(d.Seconds()) })
	s.writer = disk.SegmentWriter{FS: s.fs, Dir: s.dir, Format: &segmentFormat}
	s.cursors = disk.NewSlots(s.fs, s.path(cursorName), cursorMagic, cursorVersion)
	l.store = s
	if err := l.recover(); err != nil {
		return nil, err
	}
	l.metrics = newLogMetrics(reg, l)
	s.metrics.register(reg, l)
	registerLimit(reg, s.maxBytes)
	return l, nil
}

// Close makes durable where the endpoints are, which must have stopped, and ends
// the log.
func (l *Log) Close() error {
	s := l.store
	if s == nil {
		return nil
	}
	l.sweep()
	err := l.save()
	s.closed.Store(true)
	l.appending.Lock()
	defer l.appending.Unlock()
	s.writer.Roll()
	s.saving.Lock()
	defer s.saving.Unlock()
	s.cursors.Close()
	return err
}

// wildcard stands for every endpoint that the log does not know, at the place
// where they start when the cursor file is lost: the oldest tick. What some of
// them had sent is sent again; receivers take it for what it is.
var wildcard Hash

// Cursor returns the cursor of an endpoint: the one that a former process
// left, or a new one at the log's end.
func (l *Log) Cursor(id string) *Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.store == nil {
		return l.addCursor()
	}
	hash := HashOf([]byte(id))
	if c := l.parked[hash]; c != nil {
		delete(l.parked, hash)
		return c
	}
	c := l.addCursor()
	c.id, c.named = hash, true
	if w := l.parked[wildcard]; w != nil {
		c.resume(w.state())
		c.pending = w.pending
	}
	return c
}

// addParked adds a cursor that waits for its endpoint.
func (l *Log) addParked(id Hash, state cursorState) {
	c := l.addCursor()
	c.id, c.named = id, true
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
func (c *Cursor) resume(s cursorState) {
	c.next, c.begun, c.lost, c.passed = s.next, s.begun, s.lost, s.passed
	c.sent, c.step, c.condensing, c.stamp, c.doubt = s.sent, s.step, s.condensing, s.stamp, s.doubt
	c.hashes, c.resumed, c.Number = s.hashes, s.next, s.number
}

// Distrust says that the log may be an older copy: receivers may have been sent more
// than it knows of, up to that time in ms. Then what is too old to be sent as it is
// must not be condensed: it may have been, and would count twice. It is dropped, and
// counted as lost. Distrust comes before the first cursor is taken.
func (l *Log) Distrust(sent int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastAt = max(l.lastAt, sent)
	waiting := false
	for c := range l.cursors {
		c.doubt, c.condensing, c.step, c.sent = l.next, 0, 0, l.lastAt
		waiting = waiting || c.pending > 0
	}
	if waiting {
		l.logger.Warn("the log seems to be an older copy, beside a newer state or none: what waits in it and is too old for a receiver is dropped, for it may have been sent before",
			"last", time.UnixMilli(sent).UTC())
	}
}

// ReleaseParked removes the cursors of endpoints that did not come back, and makes those
// durable that came. It returns how many samples waited for the former.
func (l *Log) ReleaseParked() (abandoned int64) {
	if l.store == nil {
		return 0
	}
	l.mu.Lock()
	for id, c := range l.parked {
		if id != wildcard {
			l.logger.Info("an endpoint of the former process is not configured any more; what waited for it is let go", "samples", c.pending)
			abandoned += c.pending
		}
		delete(l.cursors, c)
	}
	changed := len(l.parked) > 0
	clear(l.parked)
	for c := range l.cursors {
		changed = changed || c.named && c.saved != c.state()
	}
	l.release()
	l.mu.Unlock()
	if changed {
		_ = l.save() // noted as trouble
	}
	l.sweep()
	return abandoned
}

// state is what of the cursor survives the process. While a tick is held, it is
// what it was when that was taken: the tick may have to be sent again with all
// that belongs to it.
func (c *Cursor) state() cursorState {
	s := cursorState{
		next: c.next, begun: c.begun, lost: c.lost, passed: c.passed,
		sent: c.sent, step: c.step, condensing: c.condensing, stamp: c.stamp, doubt: c.doubt,
		hashes: c.hashes, number: c.Number,
	}
	if c.held != nil {
		s.lost, s.passed, s.hashes = c.taken.lost, c.taken.passed, c.taken.hashes
	}
	return s
}

// Commit makes the cursor durable. An endpoint does so before it sends anything of
// a group: after a crash at worst that group is sent again, which receivers accept
// as nothing newer of its series has gone out. While the disk fails, the
// endpoint continues: then a crash makes it repeat older groups, which receivers
// refuse or know already. Only if those are to be condensed by then, or have been, what
// began and ended in them may count twice; exactness is suspended.
func (c *Cursor) Commit() {
	l := c.log
	if l.store == nil || !c.named {
		return
	}
	l.mu.Lock()
	durable := c.detached || c.saved == c.state()
	l.mu.Unlock()
	if !durable {
		_ = l.saveFor(c) // noted as trouble
	}
}

// save makes all cursors durable.
func (l *Log) save() error { return l.saveFor(nil) }

// saveFor does so if that of c is not yet; endpoints that wait for each other
// here need one sync for all.
func (l *Log) saveFor(c *Cursor) error {
	s := l.store
	s.saving.Lock()
	defer s.saving.Unlock()
	l.mu.Lock()
	if s.closed.Load() || (c != nil && c.saved == c.state()) {
		l.mu.Unlock()
		return nil
	}
	file := cursors{next: l.next, lastAt: l.lastAt, total: l.total, states: make(map[Hash]cursorState)}
	written := make(map[*Cursor]cursorState)
	for c := range l.cursors {
		if c.named {
			file.states[c.id] = c.state()
			written[c] = c.state()
		}
	}
	l.mu.Unlock()
	err := s.cursors.Write(appendCursors(nil, &file))
	l.noteTrouble(partCursors, err)
	if err != nil {
		return fmt.Errorf("log: cursors: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, state := range written {
		c.saved = state
	}
	return nil
}
