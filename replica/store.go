// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

const (
	// minCheckpoint is the least size of the journal in bytes at which a snapshot is due. Above
	// it, one is due when the journal is half as large as the latest snapshot: a million
	// connections are recovered in less than 10 s then (BenchmarkOpen).
	minCheckpoint = 64 << 20
	// retryEvery is how often a failing disk is tried again.
	retryEvery = time.Minute
	// restartGap is how many entries may come while the journal restarts: their numbers are
	// left out.
	restartGap = 1 << 32
	// segmentBytes is the size of the journal's files at most: a start writes the last one again.
	segmentBytes = 16 << 20
)

// StoreConfig says where the log and the snapshots are.
type StoreConfig struct {
	// Dir is a directory of their own, for one process; FS is the file system that it is on.
	Dir string
	FS  disk.FS
	// MaxBytes bounds the journal: at the bound it counts as failing. 0 is no bound.
	MaxBytes int64
	// CheckpointBytes is the least size of the journal at which a snapshot is due; 0 is
	// 64 MiB.
	CheckpointBytes int64
	// Former is the directory of a version that kept a journal of changes, which need not exist.
	Former string
	// LastTick is the time in ms of the latest tick in the log of ticks, 0 for none; negative:
	// there are no endpoints, and what that log has does not matter.
	LastTick int64
}

// store keeps the journal and the snapshots of a replica; nil keeps nothing.
type store struct {
	StoreConfig
	r       *sequencer
	journal *input.Journal
	wake    chan struct{}
	cuts    chan cut
	ended   chan struct{} // closed by close
	run     sync.WaitGroup

	// journaling says that entries are appended. The sequencer's mu guards it.
	journaling bool

	// mu is taken while the sequencer's mu is held, never the other way round, and never held
	// while the disk works.
	mu       sync.Mutex
	number   uint64    // of the latest snapshot, 0: there is none
	size     int64     // its bytes
	since    int64     // bytes of the journal when it was begun
	due      int64     // how many bytes of the journal since then make one due
	failure  error     // why a restart could not continue from the files
	outdated bool      // a restart must not use the files, which could not be removed yet
	tried    time.Time // the latest checkpoint
	making   bool      // a checkpoint is running,
	wanted   bool      // and waits for its cut
}

// append appends an entry. The sequencer's mu is held.
func (s *store) append(e *input.Entry) {
	if s == nil || !s.journaling {
		return
	}
	if _, err := s.journal.Append(e); err != nil {
		s.fail(err)
	}
}

// fail records that a restart could not continue from the files, and why at the first time. The
// sequencer's mu is held.
func (s *store) fail(err error) {
	s.journaling = false
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outdated, s.number = true, 0
	if s.failure != nil {
		return
	}
	s.r.logger.Error("the state cannot be written; counting continues in memory, and exactness is suspended: after a restart now, every counter would reset to 0", "err", err)
	s.failure = err
	s.tried = s.r.clock.Passing()
	s.r.metrics.failures.Inc()
}

// failureNow returns why a restart could not continue from the files.
func (s *store) failureNow() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// sync makes the entries so far durable. Where the disk fails, counting continues and
// failureNow says so; a later sync may succeed.
func (s *store) sync() {
	if s == nil {
		return
	}
	r := s.r
	r.mu.Lock()
	last, journaling := r.next-1, s.journaling
	r.mu.Unlock()
	if journaling {
		err := s.journal.Sync(last)
		if number, size := s.latest(); err == nil && number > 0 {
			err = disk.Gone(s.FS, snapshotName(s.Dir, number), size)
		}
		if bytes, _ := s.journal.Size(); err == nil && s.MaxBytes > 0 && bytes > s.MaxBytes && s.failureNow() == nil {
			err = fmt.Errorf("the journal has %d bytes, more than storage.max_bytes, for no snapshot can be written", bytes)
		}
		if err != nil {
			r.mu.Lock()
			s.fail(err)
			r.mu.Unlock()
		}
	}
	s.tidy()
	bytes, _ := s.journal.Size()
	now := r.clock.Passing()
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.failure != nil && now.Sub(s.tried) >= retryEvery
	if s.failure == nil {
		due = bytes-s.since >= s.due
	}
	if due && !s.making {
		s.making, s.tried = true, now
		s.wake <- struct{}{}
	}
}

// latest returns the number and the size of the latest snapshot.
func (s *store) latest() (number uint64, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.number, s.size
}

// tidy removes an outdated state. It is worse than none: a restart would continue from lower
// counters than receivers have, which looks like a reset.
func (s *store) tidy() {
	s.mu.Lock()
	outdated := s.outdated && !s.making // else one of them is new
	s.mu.Unlock()
	if !outdated || s.removeAll() != nil {
		return // the next sync tries again
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outdated = false
}

// removeAll removes what a restart could continue from.
func (s *store) removeAll() error { return errors.Join(s.remove(math.MaxUint64), s.removeFormer()) }

// hasFormer reports whether there are files of a former version.
func (s *store) hasFormer() bool {
	if s.Former == "" {
		return false
	}
	entries, _ := s.FS.ReadDir(s.Former) // what cannot be read shows where it is adopted
	return len(entries) > 0
}

func (s *store) removeFormer() error {
	if s.Former == "" {
		return nil
	}
	return removeFiles(s.FS, s.Former)
}

// remove removes the snapshots before a number.
func (s *store) remove(before uint64) error {
	snapshots, err := disk.ListNumbered(s.FS, s.Dir, snapshotFormat.Suffix)
	if err != nil || len(snapshots) == 0 {
		return err
	}
	var errs []error
	for _, f := range snapshots {
		if f.Number >= before {
			continue
		}
		if err := s.FS.Remove(f.Name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("old snapshots of the state: %w", err)
	}
	return s.FS.SyncDir(filepath.Clean(s.Dir))
}

// bytes is the size of the state on disk.
func (s *store) bytes() int64 {
	if s == nil {
		return 0
	}
	bytes, _ := s.journal.Size()
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes + s.size
}
