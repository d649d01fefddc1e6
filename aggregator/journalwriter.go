// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// maxQueued bounds the bytes that wait for the disk: about a million updates. A disk that is
// so far behind is failing.
const maxQueued = maxFrame

const (
	// chunkBytes is the size of writes under load: a write for every frame would cost as much
	// as counting what is in it.
	chunkBytes = 256 << 10
	maxSpare   = 8 // buffers that are kept
	// writeAfter is how long a frame waits for further ones: a crash of the process can lose as
	// much.
	writeAfter = 5 * time.Millisecond
)

var errSlow = errors.New("the disk does not keep up")

// journalWriter writes the journal in a goroutine of its own, so that the feed never waits for
// the disk. Its lock may be taken while the aggregator's is held, not the other way round.
type journalWriter struct {
	fs  disk.FS
	dir string

	syncing sync.Mutex // one sync at a time; taken before mu

	mu   sync.Mutex
	work *sync.Cond // something to write, or the end
	done *sync.Cond // something was written, or failed
	// files are those that may not be durable yet; frames go to the last one.
	files   []*stateFile
	queue   []chunk
	spare   [][]byte // for chunks to come
	due     bool     // write what is queued
	timed   bool     // a timer will set due
	queued  int      // bytes
	sealed  int64    // bytes ever queued
	written int64    // bytes ever written
	// broken is why nothing is written any more: frames are missing from the file.
	broken  error
	closing bool
	running sync.WaitGroup
}

// chunk is consecutive frames of a file.
type chunk struct {
	file   *stateFile
	offset int64
	data   []byte
}

func newJournalWriter(system disk.FS, dir string) *journalWriter {
	s := &journalWriter{fs: system, dir: dir}
	s.work, s.done = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	s.running.Go(s.write)
	return s
}

// enqueue takes a frame whose header is still empty. It returns false where the frame, and so
// everything after it, is lost.
func (s *journalWriter) enqueue(frame []byte, feedNow time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil && s.queued+len(frame) > maxQueued {
		s.fail(errSlow)
	}
	if s.broken != nil || s.closing {
		return false
	}
	file := s.files[len(s.files)-1]
	offset := file.end
	file.seal(frame, feedNow)
	if n := len(s.queue); n > 0 && s.queue[n-1].file == file && len(s.queue[n-1].data) < chunkBytes {
		s.queue[n-1].data = append(s.queue[n-1].data, frame...)
	} else {
		var data []byte
		if n := len(s.spare); n > 0 {
			data, s.spare = s.spare[n-1], s.spare[:n-1]
		} else {
			data = make([]byte, 0, chunkBytes+chunkBytes/4)
		}
		s.queue = append(s.queue, chunk{file, offset, append(data, frame...)})
	}
	s.queued += len(frame)
	s.sealed += int64(len(frame))
	switch {
	case s.due:
	case s.queued >= chunkBytes:
		s.writeNow()
	case !s.timed:
		s.timed = true
		time.AfterFunc(writeAfter, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.timed = false
			s.writeNow()
		})
	}
	return true
}

// writeNow wakes the writer. The lock is held. With an empty queue, due stays false, or the
// next frame would not wake the writer.
func (s *journalWriter) writeNow() {
	if len(s.queue) > 0 {
		s.due = true
		s.work.Signal()
	}
}

// use makes file the one that frames go to from here on, and returns where the one before
// ends. abandoned is why that one was abandoned: file then does not continue it.
func (s *journalWriter) use(file *stateFile) (end int64, abandoned error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.files); n > 0 {
		end = s.files[n-1].end
	}
	if abandoned = s.broken; abandoned != nil {
		s.broken = nil
		s.closeFiles()
	}
	s.files = append(s.files, file)
	return end, abandoned
}

// abandon makes everything fail until another file is used.
func (s *journalWriter) abandon(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(err)
}

func (s *journalWriter) closeFiles() {
	for _, f := range s.files {
		_ = f.Close() // synced, or abandoned
	}
	s.files = nil
}

// failed is why the files were abandoned, or nil.
func (s *journalWriter) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// position is where the next frame goes.
func (s *journalWriter) position() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.files) == 0 {
		return 0
	}
	return s.files[len(s.files)-1].end
}

// fail abandons the files. The lock is held.
func (s *journalWriter) fail(err error) {
	if s.broken != nil {
		return
	}
	s.broken = err
	for _, f := range s.files {
		f.abandoned = true
	}
	for _, c := range s.queue {
		s.finish(c)
	}
	s.queue, s.due = nil, false
	s.done.Broadcast()
}

// finish counts a chunk as no longer queued.
func (s *journalWriter) finish(c chunk) {
	s.queued -= len(c.data)
	s.written += int64(len(c.data))
}

// write is the goroutine that writes.
func (s *journalWriter) write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for (len(s.queue) == 0 || !s.due) && !s.closing {
			s.work.Wait()
		}
		if len(s.queue) == 0 {
			return
		}
		c := s.queue[0]
		s.queue = s.queue[1:]
		s.due = len(s.queue) > 0
		s.mu.Unlock()
		_, err := c.file.WriteAt(c.data, c.offset)
		s.mu.Lock()
		if err != nil && !c.file.abandoned {
			s.fail(err)
		}
		s.finish(c)
		if len(s.spare) < maxSpare {
			s.spare = append(s.spare, c.data[:0])
		}
		s.done.Broadcast()
	}
}

// sync makes durable what was sealed before. An error means that it is not, and that the files
// are abandoned.
func (s *journalWriter) sync() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	files := s.files
	ends := make([]int64, len(files))
	for i, f := range files {
		ends[i] = f.end
	}
	s.writeNow()
	for target := s.sealed; s.written < target && s.broken == nil; {
		s.done.Wait()
	}
	if s.broken != nil {
		return s.broken
	}
	s.mu.Unlock()
	var err error
	for i, f := range files {
		err = errors.Join(err, f.Sync(), disk.Gone(s.fs, f.name, ends[i]))
	}
	s.mu.Lock()
	last := len(files) - 1
	switch {
	case files[last].abandoned:
		return errors.Join(err, s.broken)
	case err != nil:
		s.fail(err)
		return err
	}
	for _, f := range files[:last] {
		_ = f.Close() // synced
	}
	s.files = s.files[last:]
	return nil
}

// close writes what is queued and ends the writer.
func (s *journalWriter) close() {
	s.mu.Lock()
	s.closing = true
	s.work.Signal()
	s.mu.Unlock()
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeFiles()
}

// clear removes the files of the state whose numbers are below keep, so that no later process
// uses them.
func (s *journalWriter) clear(keep uint64) error {
	entries, err := s.fs.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		// Sorted by name, so a journal is removed before the snapshot of its number, which is
		// of no use alone.
		if number, _, ok := parseFileName(e.Name); ok && number < keep {
			if err := s.fs.Remove(filepath.Join(s.dir, e.Name)); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("old files of the state: %w", err)
	}
	return s.fs.SyncDir(s.dir)
}
