// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/logging"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// Config bounds a log and says what all of its samples have in common.
type Config struct {
	// MaxBytes bounds the ticks that wait for some endpoint; 0 is no bound. The
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

	// The rest is for OpenLog.

	// Dir is the log's own directory.
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

// Log is a bounded sequence of ticks that any number of cursors read, each at
// its own pace. It is in memory, or durable (store.go). A tick is let go when all
// cursors are past it; where the bounds are hit, the oldest is compacted (compact.go)
// and in the end goes first, and each cursor that had not sent it counts the loss
// (loss.go). All methods are safe for concurrent use.
type Log struct {
	maxBytes int64 // of all ticks in memory; a durable log has store.maxBytes
	maxAge   int64 // ms
	opened   int64 // ms, never: not used

	logger   *slog.Logger
	metrics  *logMetrics
	builders sync.Pool    // of *Tick
	seldom   *slog.Logger // for what can repeat without end
	store    *store       // nil: everything is in memory

	condenseEnds int // see condenseTarget
	// checkNames is LogConfig.CheckNames.
	checkNames func(text string) (string, error)

	appending sync.Mutex // one Append at a time; taken before mu
	undurable *Tick      // waits for Publish; appending guards it

	mu           sync.Mutex
	pushInterval int64        // ms
	external     []wire.Label // sorted, replaced as a whole
	marks        marks        // how series are called, by tick
	ticks        []*Tick      // those that some cursor needs, oldest first
	next         uint64       // number of the tick that will be appended, 1 at first
	lastAt       int64        // time of the last tick, never before any
	total        totals       // what all ticks held
	bytes        int64
	cursors      map[*Cursor]struct{}
	// parked are those of cursors that a former process left and whose endpoint has
	// not come yet.
	parked  map[Hash]*Cursor
	changed chan struct{} // closed and replaced whenever a waiter should look
}

// New returns an empty log in memory with its metrics registered on reg.
func New(cfg Config, reg prometheus.Registerer, logger *slog.Logger) *Log {
	l := newLog(cfg, logger)
	l.metrics = newLogMetrics(reg, l)
	registerLimit(reg, l.maxBytes)
	return l
}

func newLog(cfg Config, logger *slog.Logger) *Log {
	l := &Log{
		maxBytes:     cfg.MaxBytes,
		maxAge:       cfg.MaxAge.Milliseconds(),
		pushInterval: cfg.PushInterval.Milliseconds(),
		opened:       Never,
		logger:       logger,
		seldom:       logging.RateLimited(logger),
		next:         1,
		lastAt:       Never,
		cursors:      make(map[*Cursor]struct{}),
		parked:       make(map[Hash]*Cursor),
		changed:      make(chan struct{}),
		condenseEnds: cmp.Or(cfg.CondenseEnds, condenseTarget),
		external:     wire.SortedLabels(cfg.ExternalLabels),
	}
	if l.checkNames = cfg.CheckNames; l.checkNames == nil {
		l.checkNames = func(text string) (string, error) { return text, nil }
	}
	l.builders.New = func() any { return &TickBuilder{log: l} }
	return l
}

// SetPushInterval changes the usual distance of two ticks; see LogConfig.
func (l *Log) SetPushInterval(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pushInterval = d.Milliseconds()
}

// Interval is the usual distance of two ticks; 0: not known.
func (l *Log) Interval() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Duration(l.pushInterval) * time.Millisecond
}

// Begin returns an empty tick for the time at, in ms since the epoch, which must
// be later than every tick before, by 2 ms at least; Append tells if it is not.
func (l *Log) Begin(at int64) *TickBuilder {
	t := l.builders.Get().(*TickBuilder)
	l.mu.Lock()
	defer l.mu.Unlock()
	t.at, t.after, t.external, t.err, t.endedBytes = at, l.lastAt, l.external, nil, 0
	t.unread = len(l.cursors) == 0
	t.Labels(nil)
	return t
}

// LastTick returns the number and the time in ms of the log's last tick, of a
// former process too; 0 and 0 before any. Numbers grow and are never used twice;
// ticks that come must be later.
func (l *Log) LastTick() (number uint64, at int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lastAt == Never {
		return 0, 0
	}
	return l.next - 1, l.lastAt
}

// minTickGap is the least distance of two ticks in ms: a zero that stands in for a
// lost one and a final value go between them.
const minTickGap = 2

// ErrUndurable says that the disk did not take a tick: a crash would take it back.
var ErrUndurable = errors.New("the disk did not take the tick")

// Append makes the tick visible to the endpoints, on a durable log once it is on
// disk. It takes the tick over, also when it returns an error: the tick was not
// later than the one before by 2 ms at least, and nothing has changed; or samples
// in it contradict its time, and the endpoints count it as dropped. An error that
// wraps [ErrUndurable] says that the tick is in memory, and visible from the next
// Publish or Append on: endpoints may send it then, whatever becomes of this process.
func (l *Log) Append(t *TickBuilder) error {
	lt, err, unread := t.seal(), t.err, t.unread
	l.builders.Put(t)
	if err != nil {
		err = fmt.Errorf("log: tick at %d ms: %w", lt.At, err)
	}
	l.appending.Lock()
	defer l.appending.Unlock()
	l.publishUndurable()
	l.mu.Lock()
	lt.Number, lt.After, lt.before = l.next, l.lastAt, l.total
	l.mu.Unlock()
	if lt.After != Never && lt.At < lt.After+minTickGap {
		return fmt.Errorf("log: tick at %d ms is not later than the last, at %d ms, by %d ms or more", lt.At, lt.After, minTickGap)
	}
	if l.store != nil && !unread {
		if lt = l.persist(lt); lt.segment == nil {
			l.undurable = lt
			return errors.Join(err, fmt.Errorf("log: tick at %d ms: %w", lt.At, ErrUndurable))
		}
	}
	l.publish(lt, unread)
	return err
}

// Publish makes the tick visible of which Append has returned [ErrUndurable].
func (l *Log) Publish() {
	l.appending.Lock()
	defer l.appending.Unlock()
	l.publishUndurable()
}

func (l *Log) publishUndurable() {
	if t := l.undurable; t != nil {
		l.undurable = nil
		l.publish(t, false)
	}
}

// publish makes a tick visible. The caller holds appending.
func (l *Log) publish(t *Tick, unread bool) {
	defer l.sweep()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastAt, l.total = t.At, t.end()
	l.next++
	l.metrics.appended(t)
	switch {
	case len(l.cursors) == 0:
	case unread:
		// An endpoint came while the tick was built without an endpoint. It starts after
		// the tick, as if it had come a moment later.
		for c := range l.cursors {
			c.begun, c.sent, c.passed = t.At, t.At, l.total
			c.goTo(l.next)
		}
	default:
		l.ticks = append(l.ticks, t)
		l.bytes += t.bytes
		if l.store != nil && t.segment == nil {
			l.store.memory += t.bytes
		}
		for c := range l.cursors {
			c.pending += int64(t.Samples)
		}
		l.enforceBounds()
	}
	l.broadcast()
}

// enforceBounds compacts the oldest ticks, and drops compacted ones, until the rest fits. On disk, room is made before a tick is written (compact.go).
func (l *Log) enforceBounds() {
	for len(l.ticks) > 1 {
		switch {
		case l.tooOld(l.ticks[0], l.maxAge):
			l.dropOldest(ReasonTooOld)
		case l.maxBytes > 0 && l.bytes > l.maxBytes:
			if !l.compactOldest() {
				l.dropOldest(ReasonLogFull)
			}
		default:
			if l.store != nil {
				l.dropFromMemory()
			} else {
				l.compactUnwanted()
			}
			return
		}
	}
}

// tooOld says whether t is older than age (ms, 0: no bound).
func (l *Log) tooOld(t *Tick, age int64) bool {
	return age > 0 && max(l.lastAt, l.opened)-t.At > age
}

func (l *Log) dropOldest(reason string) {
	t := l.ticks[0]
	for c := range l.cursors {
		if c.next <= t.Number && (c.held == nil || t.Number > c.held.Number) {
			if c.held == nil && c.next < t.Number {
				c.miss(t.before, t.After)
			}
			c.lose(t, cmp.Or(t.gone, reason))
			if c.held == nil {
				c.goTo(t.Number + 1)
			}
		}
	}
	l.removeOldest()
	l.seldom.Warn("log is full, dropped its oldest tick", "reason", reason, "tick", time.UnixMilli(t.At).UTC(),
		"samples", t.Samples, "ended_series", t.Ended, "ended_bytes", t.EndedBytes, "log_bytes", l.bytes)
}

// release lets go of the ticks that no cursor needs any more.
func (l *Log) release() {
	oldest := l.next
	for c := range l.cursors {
		oldest = min(oldest, c.next)
	}
	for len(l.ticks) > 0 && l.ticks[0].Number < oldest {
		l.removeOldest()
	}
}

func (l *Log) removeOldest() {
	l.bytes -= l.ticks[0].bytes
	if l.store != nil && l.ticks[0].segment == nil {
		l.store.memory -= l.ticks[0].bytes
	}
	l.ticks = slices.Delete(l.ticks, 0, 1)
}

// index finds the first tick with that number or a later one.
func (l *Log) index(number uint64) int {
	i, _ := slices.BinarySearchFunc(l.ticks, number, func(t *Tick, number uint64) int { return cmp.Compare(t.Number, number) })
	return i
}

// broadcast wakes everyone who waits on the log.
func (l *Log) broadcast() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait returns when done says so, which it is asked under the log's lock after
// every change, or when ctx ends.
func (l *Log) wait(ctx context.Context, done func() bool) error {
	for {
		l.mu.Lock()
		ok, changed := done(), l.changed
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Usage is the room that a log takes, in bytes. A limit of 0 is none.
type Usage struct {
	// Ticks are those that wait for some endpoint, and Bytes what they take.
	Ticks int
	Bytes int64
	// MemorySamples are those that wait in memory for a disk: a crash would lose them.
	MemorySamples int64
	// Disk is what its files take, those with ticks that no endpoint needs any more
	// included. Both are 0 where the log is in memory only.
	Disk, DiskLimit int64
	// Memory is what ticks take that are in memory: all of them without a disk, with
	// one those that wait for it.
	Memory, MemoryLimit int64
}

// Usage returns the room that the log takes now.
func (l *Log) Usage() Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := Usage{Ticks: len(l.ticks), Bytes: l.bytes, Memory: l.bytes, MemoryLimit: l.maxBytes}
	if s := l.store; s != nil {
		u.Disk, u.DiskLimit, u.Memory, u.MemoryLimit = s.bytes, s.maxBytes, s.memory, s.memoryMax
		for _, t := range l.ticks {
			if t.segment == nil {
				u.MemorySamples += int64(t.Samples)
			}
		}
	}
	return u
}

// Durable says whether the log survives the process.
func (l *Log) Durable() bool { return l.store != nil }
