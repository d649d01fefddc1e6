// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/logging"
	"github.com/skydive-project/skybridge/progress"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// Config bounds a log and says what all of its samples have in common.
type Config struct {
	// MaxBytes bounds the ticks that wait for some endpoint, on disk where there is a
	// Dir; 0 is no bound. The
	// newest tick is always kept, or a bound below one tick would send nothing.
	// Beside it each endpoint may hold the one tick that it is sending.
	MaxBytes int64
	// MaxAge bounds them by time, measured against the newest tick, as receivers
	// measure against their newest sample; 0 is no bound.
	MaxAge time.Duration
	// PushInterval is the usual distance of two ticks. A zero that stands in for
	// a dropped one lies at most this far before its counter's first sample, so
	// that rate() sees both; 0: as far as the previous tick.
	PushInterval time.Duration
	// ExternalLabels are added to every series that does not have them.
	ExternalLabels []wire.Label

	// Dir is the log's own directory; without one the log is in memory, and what
	// follows is not used, but for CondenseEnds.
	Dir string
	// MemoryMaxBytes bounds the ticks that wait in memory while the disk fails; 0
	// is no bound.
	MemoryMaxBytes int64
	// Opened is the time now, 0 if ages are not to be measured against it, but only
	// against the newest tick. Receivers with other writers too have newer samples
	// while nothing is appended to the log.
	Opened time.Time
	// FS is the file system; nil is the system's own.
	FS disk.FS
	// CheckNames returns the text that this version has for names that a former one
	// may have written, or an error where it does not understand them; nil: any text is
	// understood.
	CheckNames func(text string) (string, error)
	// CondenseEnds is how many ends are condensed at once at least, where there are as
	// many; 0 is ten requests full.
	CondenseEnds int
	// SegmentBytes is how large a segment may grow; 0 is a sixteenth of MaxBytes,
	// 64 MiB at most.
	SegmentBytes int64
}

// Open returns a log with its metrics registered on reg. Without cfg.Dir it is empty
// and in memory, and there is no error. Else it is durable and has what a former process
// left there, whose endpoints continue where they were when a Sender's first Apply
// names them. No other process may use the directory. Damage is no error: what cannot
// be read is skipped, counted and logged. Close ends the log.
func Open(cfg Config, reg prometheus.Registerer, logger *slog.Logger) (*Log, error) {
	l := &Log{
		memoryMax:    cfg.MaxBytes,
		maxAge:       cfg.MaxAge.Milliseconds(),
		pushInterval: cfg.PushInterval.Milliseconds(),
		opened:       Never,
		logger:       logger,
		seldom:       logging.RateLimited(logger),
		metrics:      newMetrics(),
		next:         1,
		lastAt:       Never,
		cursors:      make(map[*Cursor]struct{}),
		parked:       make(map[Hash]*Cursor),
		changed:      make(chan struct{}),
		condenseEnds: cmp.Or(cfg.CondenseEnds, condenseTarget),
		external:     wire.SortedLabels(cfg.ExternalLabels),
	}
	l.builders.New = func() any { return new(TickBuilder) }
	if cfg.Dir != "" {
		l.memoryMax = cfg.MemoryMaxBytes
		if !cfg.Opened.IsZero() {
			l.opened = cfg.Opened.UnixMilli()
		}
		l.store = l.newStore(&cfg)
		checkNames := cfg.CheckNames
		if checkNames == nil {
			checkNames = func(text string) (string, error) { return text, nil }
		}
		if err := l.recover(checkNames); err != nil {
			return nil, err
		}
	}
	l.metrics.register(reg, l.store != nil, l.Usage)
	return l, nil
}

// newStore returns the disk under the log.
func (l *Log) newStore(cfg *Config) *store {
	s := &store{
		fs: cfg.FS, dir: cfg.Dir, maxBytes: cfg.MaxBytes, segmentBytes: cfg.SegmentBytes,
		metrics: l.metrics, logger: l.logger, seldom: l.seldom,
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
	return s
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

// Cursor returns the cursor of an endpoint: the one that a former process
// left, or a new one at the log's end. It keeps the endpoint's deadline while it waits
// for a tick or for the disk; nil: it has one of its own.
func (l *Log) Cursor(id string, deadline *progress.Deadline) *Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	hash := HashOf([]byte(id))
	c := l.parked[hash]
	if c != nil {
		delete(l.parked, hash)
	} else {
		c = l.addCursor()
		c.id = hash
		if w := l.parked[wildcard]; w != nil {
			c.resume(w.state())
			c.pending = w.pending
		}
	}
	if deadline != nil {
		c.deadline = deadline
	}
	return c
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
		changed = changed || c.saved != c.state()
	}
	l.release()
	l.mu.Unlock()
	if changed {
		_ = l.save() // noted as trouble
	}
	l.sweep()
	return abandoned
}
