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

// maxQueued bounds in bytes what waits for the disk: about a million updates. A
// disk that is so far behind is in trouble. No frame is larger, or it could not be read.
const maxQueued = maxFrame

const (
	// chunkBytes is how much is written at once where there is as much: a write for
	// every frame would cost as much as counting what is in it.
	chunkBytes = 256 << 10
	maxSpare   = 8 // buffers that are kept
	// writeAfter is how long a frame waits for more: what a crash of the process can
	// take.
	writeAfter = 5 * time.Millisecond
)

var errSlow = errors.New("the disk does not keep up")

// store writes the journal behind the aggregator's back, so that the feed never
// waits for the disk. Its lock is taken while the aggregator's is held, never
// the other way round.
type store struct {
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
	due     bool     // write what there is
	timed   bool     // due will be set
	queued  int      // bytes
	sealed  int64    // bytes ever queued
	written int64    // bytes ever written
	// broken is why nothing is written any more: frames are missing from the file.
	broken error
	closed bool
	writer sync.WaitGroup
}

// chunk is some frames that lie together in a file.
type chunk struct {
	file   *stateFile
	offset int64
	data   []byte
}

func newStore(system disk.FS, dir string) *store {
	s := &store{fs: system, dir: dir}
	s.work, s.done = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	s.writer.Go(s.write)
	return s
}

// enqueue takes a frame whose header is still empty. It returns false where the
// frame, and so everything after it, is lost.
func (s *store) enqueue(frame []byte, feedNow time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil && s.queued+len(frame) > maxQueued {
		s.fail(errSlow)
	}
	if s.broken != nil || s.closed {
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
		s.hurry()
	case !s.timed:
		s.timed = true
		time.AfterFunc(writeAfter, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.timed = false
			s.hurry()
		})
	}
	return true
}

// hurry makes the writer write what there is. The lock is held. Where there is
// nothing, due stays false: nobody would wake the writer for the next frame.
func (s *store) hurry() {
	if len(s.queue) > 0 {
		s.due = true
		s.work.Signal()
	}
}

// use makes file the one that frames go to from here on, and returns where the one
// before ends. Where that one was given up, which gaveUp says why, file begins
// anew.
func (s *store) use(file *stateFile) (end int64, gaveUp error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.files); n > 0 {
		end = s.files[n-1].end
	}
	if gaveUp = s.broken; gaveUp != nil {
		s.broken = nil
		s.closeFiles()
	}
	s.files = append(s.files, file)
	return end, gaveUp
}

// giveUp makes everything fail until another file is used.
func (s *store) giveUp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(err)
}

func (s *store) closeFiles() {
	for _, f := range s.files {
		_ = f.Close() // synced, or given up
	}
	s.files = nil
}

// failed is why the files were given up, or nil.
func (s *store) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// position is where the next frame goes.
func (s *store) position() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.files) == 0 {
		return 0
	}
	return s.files[len(s.files)-1].end
}

// fail gives the files up. The lock is held.
func (s *store) fail(err error) {
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
func (s *store) finish(c chunk) {
	s.queued -= len(c.data)
	s.written += int64(len(c.data))
}

// write is the goroutine that writes.
func (s *store) write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for (len(s.queue) == 0 || !s.due) && !s.closed {
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

// sync makes durable what was sealed before. An error means that it is not, and
// that the files are given up.
func (s *store) sync() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	files := s.files
	ends := make([]int64, len(files))
	for i, f := range files {
		ends[i] = f.end
	}
	s.hurry()
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
func (s *store) close() {
	s.mu.Lock()
	s.closed = true
	s.work.Signal()
	s.mu.Unlock()
	s.writer.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeFiles()
}

// clear removes the files of the state whose numbers are below keep, so that no
// later process goes on from them.
func (s *store) clear(keep uint64) error {
	entries, err := s.fs.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		// In the order of their names: a journal goes before the snapshot of its
		// number, and a snapshot alone is none.
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
