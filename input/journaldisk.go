// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"sync"

	"github.com/skydive-project/skybridge/disk"
)

// start continues the last segment, with what can be read of it. That is written again: what
// the process before could not sync may seem to be on the disk, and no later sync says that it
// is not.
func (w *journalWriter) start(system disk.FS, older []*segment, last *segment, content []byte, entries uint64) {
	w.fs, w.segments = system, older
	w.work, w.done = sync.NewCond(&w.mu), sync.NewCond(&w.mu)
	file, err := last.create(system, content)
	w.use(last, file, entries)
	if err != nil {
		if entries == 0 {
			w.segments = older // it may not exist
		}
		w.synced = last.first - 1
		w.fail(err)
	}
	w.running.Go(w.run)
}

// use makes a segment with some entries the last one, perhaps in the place of an empty one.
func (w *journalWriter) use(s *segment, file disk.File, entries uint64) {
	if n := len(w.segments); n > 0 && w.segments[n-1].first == s.first {
		w.segments = w.segments[:n-1]
	}
	w.segments, w.file = append(w.segments, s), file
	w.next = s.first + entries
	w.written, w.synced = w.next-1, w.next-1
	w.begin(s)
}

// restart continues with another segment.
func (w *journalWriter) restart(s *segment) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.abandon(errRestart)
	for w.busy || w.file != nil {
		w.done.Wait()
	}
	w.busy = true
	w.mu.Unlock()
	file, err := s.create(w.fs, nil)
	w.mu.Lock()
	w.busy = false
	if err != nil {
		return err
	}
	w.use(s, file, 0)
	w.broken, w.wanted = nil, 0
	w.restarts++
	return nil
}

// close ends the goroutine.
func (w *journalWriter) close() {
	w.mu.Lock()
	w.abandon(errClosed)
	w.closing = true
	w.work.Signal()
	w.mu.Unlock()
	w.running.Wait()
}

// run is the goroutine.
func (w *journalWriter) run() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case w.broken != nil && w.file != nil:
			w.atDisk(func() error { _ = w.file.Close(); return nil })
			w.file = nil
			w.done.Broadcast()
		case w.broken != nil && w.closing:
			return
		case w.broken == nil && w.wanted > w.synced && w.wanted <= w.written:
			if last := w.written; w.syncLast() {
				w.synced = last
				w.done.Broadcast()
			}
		case w.due:
			w.write()
		default:
			w.work.Wait()
		}
	}
}

// atDisk runs an operation without the lock, and returns whether it was one of a file that is
// not abandoned.
func (w *journalWriter) atDisk(op func() error) bool {
	w.busy = true
	w.mu.Unlock()
	err := op()
	w.mu.Lock()
	w.busy = false
	if err != nil {
		w.fail(err)
	}
	return w.broken == nil
}

// syncLast syncs the last segment.
func (w *journalWriter) syncLast() bool {
	last, file := w.segments[len(w.segments)-1], w.file
	return w.atDisk(func() error {
		if err := file.Sync(); err != nil {
			return err
		}
		return disk.Gone(w.fs, last.name, last.size)
	})
}

// write writes the first chunk of the queue.
func (w *journalWriter) write() {
	c := w.queue[0]
	w.queue = w.queue[1:]
	w.due = len(w.queue) > 0
	if c.to != w.segments[len(w.segments)-1] && !w.roll(c.to) ||
		!w.atDisk(func() error { _, err := w.file.WriteAt(c.data, c.to.size); return err }) {
		return
	}
	c.to.size += int64(len(c.data))
	w.queued -= len(c.data)
	w.written = c.last
	if len(w.spare) < maxSpare && cap(c.data) < 2*chunkBytes {
		w.spare = append(w.spare, c.data[:0])
	}
	w.done.Broadcast()
}

// roll ends the last segment and creates the next. What is in a segment is durable before the
// next one exists: only the end of the last one can be cut off by a crash.
func (w *journalWriter) roll(next *segment) bool {
	if !w.syncLast() {
		return false
	}
	w.synced = next.first - 1
	former := w.file
	return w.atDisk(func() error {
		file, err := next.create(w.fs, nil)
		if err != nil {
			return err
		}
		_ = former.Close() // synced
		w.mu.Lock()
		defer w.mu.Unlock()
		w.segments, w.file = append(w.segments, next), file
		return nil
	})
}
