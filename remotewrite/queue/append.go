// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
)

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
	l.metrics.samplesIn.Add(float64(t.Samples))
	l.metrics.highest.Set(math.Floor(float64(t.At) / 1000))
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
		if t.segment == nil {
			l.memory += t.bytes
		}
		for c := range l.cursors {
			c.pending += int64(t.Samples)
		}
		l.enforceBounds()
	}
	l.broadcast()
}

// persist brings a tick to disk, after those that wait in memory for it. It
// returns the tick as it is to be kept: as it was, if the disk fails. The
// caller holds appending.
func (l *Log) persist(t *Tick) *Tick {
	err := fs.ErrClosed
	if !l.store.closed.Load() {
		err = l.drain()
	}
	if err == nil {
		t, err = l.writeTick(t)
	}
	l.store.noteTrouble(partLog, err)
	return t
}

// drain writes the ticks that wait in memory.
func (l *Log) drain() error {
	for {
		l.mu.Lock()
		i := -1
		if l.memory > 0 {
			i = slices.IndexFunc(l.ticks, func(t *Tick) bool { return t.segment == nil && t.gone == "" })
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
		if i := l.index(t.Number); i < len(l.ticks) && l.ticks[i] == t {
			l.ticks[i] = stored
			l.bytes += stored.bytes - t.bytes
			l.memory -= t.bytes
		}
		l.mu.Unlock()
	}
}

// writeTick makes room for a tick and writes it; on an error it returns the tick
// that it was given.
func (l *Log) writeTick(t *Tick) (*Tick, error) {
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
		s.segments = append(s.segments, a)
	}
	end := stored.offset + stored.bytes
	s.bytes += end - a.size
	a.size, a.last = end, t.Number
	return stored, nil
}
