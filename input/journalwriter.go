// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

const (
	// maxQueued bounds the bytes that wait for the disk: about a million flows. A disk that is
	// so far behind is failing.
	maxQueued = 64 << 20
	// chunkBytes is the size of writes under load: a write for every entry would cost as much
	// as counting what is in it.
	chunkBytes = 256 << 10
	maxSpare   = 8 // buffers that are kept
	// writeAfter is how long an entry waits for further ones.
	writeAfter = 5 * time.Millisecond
)

var (
	errSlow    = errors.New("the disk does not keep up")
	errRestart = errors.New("input: the journal is being restarted")
	errClosed  = fmt.Errorf("input: the journal: %w", fs.ErrClosed)
)

// journalWriter writes the segments of a journal. Its goroutine is the only one that writes,
// syncs and closes their files.
type journalWriter struct {
	fs      disk.FS
	running sync.WaitGroup

	mu   sync.Mutex
	work *sync.Cond // something to do for the goroutine
	done *sync.Cond // it has done something

	// What is appended.
	next   uint64   // the number of the next entry
	tail   *segment // the one that it goes to,
	end    int64    // and where
	queue  []chunk
	queued int      // bytes
	spare  [][]byte // for chunks to come
	due    bool     // the queue is to be written
	timed  bool     // a timer will set due
	wanted uint64   // some caller waits until this entry is durable

	// What is on the disk. Entries are counted by their numbers.
	segments        []*segment // oldest first; the last one is written
	file            disk.File  // of the last one; nil: abandoned
	busy            bool       // an operation is under way
	written, synced uint64     // the last entry that was
	// broken is why nothing is written any more: entries are missing from the file.
	broken   error
	restarts int
	closing  bool
}

// chunk is consecutive frames of a segment.
type chunk struct {
	to   *segment
	data []byte
	last uint64 // the number of the last entry
}

// begin makes s the segment that entries go to. Its file may not exist yet.
func (w *journalWriter) begin(s *segment) { w.tail, w.end = s, s.size }

// enqueue takes an entry. The lock is held.
func (w *journalWriter) enqueue(entry []byte) (seq uint64, err error) {
	size := disk.FrameHeader + len(entry)
	if w.queued+size > maxQueued {
		w.fail(errSlow)
		return 0, w.broken
	}
	last := len(w.queue) - 1
	if last < 0 || w.queue[last].to != w.tail || len(w.queue[last].data) >= chunkBytes {
		c := chunk{to: w.tail}
		if n := len(w.spare); n > 0 {
			c.data, w.spare = w.spare[n-1], w.spare[:n-1]
		} else {
			c.data = make([]byte, 0, chunkBytes+chunkBytes/4)
		}
		w.queue, last = append(w.queue, c), last+1
	}
	c := &w.queue[last]
	c.data = segmentFormat.AppendFrame(c.data, w.tail.salt, w.end, entry)
	c.last = w.next
	w.end += int64(size)
	w.queued += size
	w.next++
	switch {
	case w.due:
	case w.queued >= chunkBytes:
		w.writeNow()
	case !w.timed:
		w.timed = true
		time.AfterFunc(writeAfter, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.timed = false
			w.writeNow()
		})
	}
	return c.last, nil
}

// writeNow has the queue written. The lock is held. With an empty one, due stays false, or the
// next entry would be written alone.
func (w *journalWriter) writeNow() {
	w.due = len(w.queue) > 0
	w.work.Signal()
}

// sync waits until the entries up to seq are durable. One that was not appended yet is not
// waited for.
func (w *journalWriter) sync(seq uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	seq = min(seq, w.next-1)
	w.wanted = max(w.wanted, seq)
	w.writeNow()
	restarts := w.restarts
	for w.synced < seq && w.broken == nil {
		w.done.Wait()
	}
	switch {
	case w.restarts != restarts:
		return errRestart
	case w.synced < seq:
		return w.broken
	}
	return nil
}

// flush waits until what was appended is written. It returns the segments as they are then, and
// the number of the last entry that should be in them, with an error where it is not.
func (w *journalWriter) flush() (last uint64, segments []segment, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last = w.next - 1
	w.writeNow()
	for w.written < last && w.broken == nil {
		w.done.Wait()
	}
	for _, s := range w.segments {
		segments = append(segments, *s)
	}
	if w.written < last {
		return last, segments, w.broken
	}
	return w.written, segments, nil
}

// fail abandons the file because of an error of the disk. The lock is held.
func (w *journalWriter) fail(err error) {
	w.abandon(fmt.Errorf("input: the journal fails, entries from %d on may be lost: %w", w.synced+1, err))
}

// abandon makes the goroutine close the file, and is why; what is queued is lost. The lock is
// held.
func (w *journalWriter) abandon(why error) {
	if w.broken != nil {
		return
	}
	w.broken = why
	w.queue, w.queued, w.due = nil, 0, false
	w.work.Signal()
	w.done.Broadcast()
}
