// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// LogConfig bounds a log and says what all of its samples have in common.
type LogConfig struct {
	// MaxBytes bounds the ticks that wait for some endpoint; 0 is no bound. The
	// newest tick is always kept, or a bound below one tick would send nothing.
	// Beside it each endpoint may hold the one tick that it is sending.
	MaxBytes int64
	// MaxAge bounds them by time, measured against the newest tick, as receivers
	// measure against their newest sample; 0 is no bound. Prometheus and its kin
	// refuse what is about an hour behind.
	MaxAge time.Duration
	// PushInterval is the usual distance of two ticks. A zero that stands in for
	// a dropped one lies at most this far before its counter's first sample, so
	// that rate() sees both; 0: as far as the previous tick.
	PushInterval time.Duration
	// ExternalLabels are added to every series that does not have them.
	ExternalLabels []Label
}

// Log is a bounded sequence of ticks that any number of cursors read, each at
// its own pace. It is in memory. A tick is let go when all cursors are past it;
// where the bounds are hit, the oldest goes first, and each cursor that had not
// sent it counts the loss (cursor.go). All methods are safe for concurrent use.
type Log struct {
	maxBytes, maxAge, pushInterval int64 // bytes, ms, ms

	logger   *slog.Logger
	metrics  *logMetrics
	builders sync.Pool // of *Tick
	drops    rateLimit

	mu       sync.Mutex
	external []Label       // sorted, replaced as a whole
	ticks    []*loggedTick // consecutive, oldest first
	next     uint64        // number of the tick that will be appended
	lastAt   int64         // time of the last tick, math.MinInt64 before any
	bytes    int64
	cursors  map[*cursor]struct{}
	changed  chan struct{} // closed and replaced whenever a waiter should look
}

// NewLog returns an empty log with its metrics registered on reg.
func NewLog(cfg LogConfig, reg prometheus.Registerer, logger *slog.Logger) *Log {
	l := &Log{
		maxBytes:     cfg.MaxBytes,
		maxAge:       cfg.MaxAge.Milliseconds(),
		pushInterval: cfg.PushInterval.Milliseconds(),
		logger:       logger,
		lastAt:       math.MinInt64,
		cursors:      make(map[*cursor]struct{}),
		changed:      make(chan struct{}),
		external:     sortedLabels(cfg.ExternalLabels),
	}
	l.builders.New = func() any { return &Tick{log: l} }
	l.metrics = newLogMetrics(reg, l)
	return l
}

func sortedLabels(labels []Label) []Label {
	out := slices.Clone(labels)
	slices.SortFunc(out, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// SetExternalLabels changes the external labels of ticks that begin after it.
// To the receivers this makes every series another one, so the caller ends all
// series first.
func (l *Log) SetExternalLabels(labels []Label) {
	sorted := sortedLabels(labels)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.external = sorted
}

// Begin returns an empty tick for the time at, in ms since the epoch, which must
// be later than every tick before; Append tells if it is not.
func (l *Log) Begin(at int64) *Tick {
	t := l.builders.Get().(*Tick)
	l.mu.Lock()
	defer l.mu.Unlock()
	t.at, t.after, t.external, t.err = at, l.lastAt, l.external, nil
	t.unread = len(l.cursors) == 0
	t.Labels(nil)
	return t
}

// Append makes the tick visible to the endpoints. It takes the tick over, also
// when it returns an error: the tick was not later than the one before, and
// nothing has changed; or samples in it contradict its time, and the endpoints
// count it as dropped.
func (l *Log) Append(t *Tick) error {
	lt, err, unread := t.seal(), t.err, t.unread
	l.builders.Put(t)

	l.mu.Lock()
	defer l.mu.Unlock()
	if lt.at <= l.lastAt {
		return fmt.Errorf("log: tick at %d ms is not later than the last, at %d ms", lt.at, l.lastAt)
	}
	l.lastAt = lt.at
	lt.seq = l.next
	l.next++
	l.metrics.appended(lt)
	switch {
	case len(l.cursors) == 0:
	case unread:
		// An endpoint came while the tick was built for nobody. It starts after
		// the tick, as if it had come a moment later.
		for c := range l.cursors {
			c.next, c.begun = l.next, lt.at
		}
	default:
		l.ticks = append(l.ticks, lt)
		l.bytes += lt.bytes
		for c := range l.cursors {
			c.pending += int64(lt.samples)
		}
		l.enforceBounds()
	}
	l.broadcast()
	if err != nil {
		return fmt.Errorf("log: tick at %d ms: %w", lt.at, err)
	}
	return nil
}

// enforceBounds drops the oldest ticks until the rest fits.
func (l *Log) enforceBounds() {
	for len(l.ticks) > 1 {
		switch {
		case l.maxAge > 0 && l.tooOld(l.ticks[0]):
			l.dropOldest(reasonTooOld)
		case l.maxBytes > 0 && l.bytes > l.maxBytes:
			l.dropOldest(reasonLogFull)
		default:
			return
		}
	}
}

func (l *Log) tooOld(t *loggedTick) bool { return l.maxAge > 0 && l.lastAt-t.at > l.maxAge }

func (l *Log) dropOldest(reason string) {
	t := l.ticks[0]
	for c := range l.cursors {
		if c.next <= t.seq && c.held != t {
			c.lose(t, t.samples, t.stale, reason)
			if c.held == nil {
				c.next = t.seq + 1
			}
		}
	}
	l.removeOldest()
	if suppressed, ok := l.drops.allow(time.Now()); ok {
		l.logger.Warn("log is full, dropped its oldest tick", "reason", reason, "tick", time.UnixMilli(t.at).UTC(),
			"samples", t.samples, "log_bytes", l.bytes, "suppressed", suppressed)
	}
}

// release lets go of the ticks that no cursor needs any more.
func (l *Log) release() {
	oldest := l.next
	for c := range l.cursors {
		oldest = min(oldest, c.next)
	}
	for len(l.ticks) > 0 && l.ticks[0].seq < oldest {
		l.removeOldest()
	}
}

func (l *Log) removeOldest() {
	l.bytes -= l.ticks[0].bytes
	l.ticks = slices.Delete(l.ticks, 0, 1)
}

// first is the number of the oldest tick that the log still has, or of the one
// to come.
func (l *Log) first() uint64 { return l.next - uint64(len(l.ticks)) }

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

// size returns what waits in the log.
func (l *Log) size() (ticks int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ticks), l.bytes
}
