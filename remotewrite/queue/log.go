// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package queue is the log of ticks: what was sampled, in memory or on disk, until
// every endpoint has it.
//
// [Open] gives a [Log]. [Log.Begin] and [Log.Append] put a tick behind the others; a
// [Cursor] for each endpoint takes them in order ([Cursor.Take]), says which groups of
// one were answered ([Cursor.Answered]) and when all were ([Cursor.Done]). The log is
// bounded by bytes and age: what ended in its oldest ticks is kept longer than the
// rest of them (compact.go), and what is too old for an endpoint is given to it as a
// batch of what ended (condense.go). What a cursor has lost it says when asked
// ([Cursor.Outcome]).
//
// The package knows no receiver: an endpoint is an identity, and what it wants kept
// beside its cursor is opaque. It makes no calls back under a lock.
package queue

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/progress"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// Log is a bounded sequence of ticks that any number of cursors read, each at
// its own pace. It is in memory, or durable (store.go). A tick is let go when all
// cursors are past it; where the bounds are hit, the oldest is compacted (compact.go)
// and in the end goes first, and each cursor that had not sent it counts the loss
// (cursor.go). All methods are safe for concurrent use.
type Log struct {
	memoryMax int64 // of ticks in memory; those on disk have store.maxBytes
	maxAge    int64 // ms
	opened    int64 // ms, never: not used

	logger   *slog.Logger
	metrics  *metrics
	builders sync.Pool    // of *TickBuilder
	seldom   *slog.Logger // for what can repeat without end
	store    *store       // nil: everything is in memory

	condenseEnds int // see condenseTarget

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
	bytes        int64        // of ticks
	memory       int64        // of those that are in memory
	cursors      map[*Cursor]struct{}
	// parked are those of cursors that a former process left and whose endpoint has
	// not come yet.
	parked  map[Hash]*Cursor
	changed chan struct{} // closed and replaced whenever a waiter should look
}

// SetPushInterval changes the usual distance of two ticks; see Config.
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

// tooOld says whether t is older than age (ms, 0: no bound).
func (l *Log) tooOld(t *Tick, age int64) bool {
	return age > 0 && max(l.lastAt, l.opened)-t.At > age
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
	if l.ticks[0].segment == nil {
		l.memory -= l.ticks[0].bytes
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

// Usage returns the room that the log takes now.
func (l *Log) Usage() Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := Usage{Ticks: len(l.ticks), Bytes: l.bytes, Memory: l.memory, MemoryLimit: l.memoryMax}
	if s := l.store; s != nil {
		u.Segments, u.Disk, u.DiskLimit = len(s.segments)+len(s.toDelete), s.bytes, s.maxBytes
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

// Trouble says what is wrong with the disk of a durable log, nil: nothing. While
// there is something, ticks are kept in memory, and a crash would lose them.
func (l *Log) Trouble() error {
	if l.store == nil {
		return nil
	}
	return l.store.trouble.Err()
}

// addCursor adds a cursor at the log's end. The counters that run get no zero: to an
// endpoint that comes late their totals begin with the first sample.
func (l *Log) addCursor() *Cursor {
	c := &Cursor{log: l, deadline: progress.NewDeadline()}
	c.cursorState = cursorState{next: l.next, passed: l.total, begun: l.lastAt, lost: Never, sent: l.lastAt, stamp: Never}
	l.cursors[c] = struct{}{}
	return c
}
