// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"cmp"
	"time"
)

// A tick is compacted when only its ends are left. Where the log is full, its oldest
// ticks become compacted before any is dropped: that is all that condensing needs of them,
// and mostly a small part. Compacted ticks may take half of the log's bytes, so that a
// dead endpoint leaves room for those that are only late; past it, and past the
// log's age, the oldest are dropped and what ended in them is lost. This holds for ticks
// in memory, and for those on disk (compact.go).

// compactedShare is the part of the bytes that compacted ticks may take, as a divisor.
const compactedShare = 2

// enforceBounds drops the oldest ticks where they are too old, and compacts and drops
// ticks in memory until the rest of those fits. On disk, room is made before a tick is
// written. The newest tick always stays.
func (l *Log) enforceBounds() {
	for len(l.ticks) > 1 && l.tooOld(l.ticks[0], l.maxAge) {
		l.dropOldest(ReasonTooOld)
	}
	for l.memoryMax > 0 && l.memory > l.memoryMax && l.reduceMemory() {
	}
	l.compactUnwanted()
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

// reduceMemory compacts the oldest tick in memory that is not compacted, or drops the
// oldest where that would not help. It is false where there is none but the newest.
func (l *Log) reduceMemory() bool {
	oldest, compacted := -1, int64(0)
	for i, t := range l.ticks[:len(l.ticks)-1] {
		if t.segment != nil || t.gone != "" {
			continue
		}
		if oldest < 0 {
			oldest = i
		}
		if t.Compacted {
			compacted += t.bytes
			continue
		}
		// Until something ended in one there is nothing to keep of it.
		if i == oldest && t.Ended == 0 || compacted > l.memoryMax/compactedShare {
			break
		}
		l.compactInMemory(i)
		l.seldom.Warn("log is full, kept only what ended in its oldest ticks; the receivers that wait for them get their sums later",
			"tick", time.UnixMilli(t.At).UTC(), "samples", t.Samples, "ended_series", t.Ended, "log_bytes", l.bytes)
		return true
	}
	switch {
	case oldest < 0:
		return false
	case l.store == nil: // then it is the oldest of all
		l.dropOldest(ReasonLogFull)
	default:
		l.giveUpInMemory(oldest)
	}
	return true
}

// compactInMemory compacts the tick at index i, which is in memory.
func (l *Log) compactInMemory(i int) {
	t, left := l.ticks[i], l.ticks[i].compacted()
	l.ticks[i] = left
	l.bytes += left.bytes - t.bytes
	l.memory += left.bytes - t.bytes
}

// compactUnwanted compacts ticks in memory that are too old for every endpoint: all that
// will be asked of them is their ends.
func (l *Log) compactUnwanted() {
	var widest int64
	for c := range l.cursors {
		if c.window == 0 {
			return
		}
		widest = max(widest, c.window)
	}
	for i, t := range l.ticks[:max(0, len(l.ticks)-1)] {
		switch {
		case t.Compacted, t.segment != nil, t.gone != "":
		case !l.tooOld(t, widest):
			return
		default:
			l.compactInMemory(i)
		}
	}
}

// giveUpInMemory leaves nothing of the tick at index i but that it was there.
func (l *Log) giveUpInMemory(i int) {
	t := l.ticks[i]
	left := t.bare()
	left.gone, left.bytes = ReasonLogFull, 0
	l.ticks[i] = left
	l.bytes -= t.bytes
	l.memory -= t.bytes
	l.seldom.Warn("the disk is failing and memory is full, dropped the oldest tick in memory",
		"tick", time.UnixMilli(t.At).UTC(), "samples", t.Samples, "ended_series", t.Ended, "ended_bytes", t.EndedBytes)
}
