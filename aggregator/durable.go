// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

const (
	// minCheckpoint is the least size of the journal in bytes at which a snapshot is due.
	// Above it one is due when the journal is journalRatio times as large as the latest
	// snapshot: so snapshots write at most a third of what the journal does, and reading
	// both takes a few seconds for a million connections.
	minCheckpoint = 64 << 20
	journalRatio  = 3
	// maxJournals is the number of journals of former processes at which a snapshot is due:
	// each start reads and syncs all of them.
	maxJournals = 32
	// retryEvery is how often a failing disk is tried again.
	retryEvery = time.Minute
)

// StateConfig says where the durable state is.
type StateConfig struct {
	// Dir is the state's own directory, for one process.
	Dir string
	// FS is the file system; nil is the system's own.
	FS disk.FS
	// LastTick is the time in ms of the latest tick in the log, 0 for none; negative: there
	// are no endpoints, and the log need not match the state.
	LastTick int64
	// CheckpointBytes is the least size of the journal at which a snapshot is due; 0 is
	// 64 MiB.
	CheckpointBytes int64
}

// durable keeps the state on disk: a journal that the aggregator writes, and from time to
// time a snapshot that replaces the journal before it.
type durable struct {
	a      *Aggregator
	writer *journalWriter
	logger *slog.Logger
	// minBytes is CheckpointBytes.
	minBytes int64
	wake     chan struct{}
	ended    chan struct{} // closed by Close
	// next is the journal that the next tick switches to; heads then gets the head of the
	// snapshot. The aggregator's lock guards next.
	next  *stateFile
	heads chan snapshotHead
	run   sync.WaitGroup

	// mu is taken while the aggregator's lock is held, never the other way round, and
	// never held while the disk works.
	mu       sync.Mutex
	number   uint64    // of the journal that is written; those of one process follow each other
	keep     uint64    // files from here on are not outdated
	size     int64     // bytes of the snapshot
	before   int64     // bytes of the journals before the present one, since the snapshot
	due      int64     // how many bytes of journals make a snapshot due
	failure  error     // why a restart could not continue from the files
	outdated bool      // the files must not be used by a restart, and could not be removed yet
	tried    time.Time // the latest checkpoint
	making   bool      // a checkpoint is running, or waits for the next tick
}

// Sync makes the latest tick durable: the caller sends nothing of it before, and calls
// [Aggregator.Publish] afterwards. Where the disk fails, counting continues and
// [Aggregator.Failure] says so; a later Sync may succeed. Without durable state it does
// nothing.
func (a *Aggregator) Sync() {
	if d := a.durable; d != nil {
		d.sync()
	}
}

// Failure returns why a crash now would lose what was counted, or nil; always nil without
// durable state.
func (a *Aggregator) Failure() error {
	d := a.durable
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failure
}

// MarkMaybeSent records, durably, that receivers may have the latest tick although the
// log could not make it durable. A restart then does not push its zeros again.
func (a *Aggregator) MarkMaybeSent() {
	d := a.durable
	if d == nil {
		return
	}
	a.mu.Lock()
	a.journal.sent()
	a.journal.seal(a.enter())
	a.mu.Unlock()
	d.sync()
}

// Close makes durable all that was counted. What is counted afterwards is not durable; a
// second call does nothing.
func (a *Aggregator) Close() error {
	d := a.durable
	if d == nil {
		return nil
	}
	return d.close()
}

func (d *durable) close() error {
	select {
	case <-d.ended:
		return nil // it was closed
	default:
	}
	close(d.ended)
	d.run.Wait()
	err := d.writer.sync()
	d.mu.Lock()
	err = errors.Join(d.failure, err)
	keep := d.number + 1
	d.mu.Unlock()
	if err != nil { // see [durable.clear]
		if left := d.writer.clear(keep); left != nil {
			err = errors.Join(err, fmt.Errorf("and its files cannot be removed: delete %s before the next start, or bytes that receivers have are counted twice: %w", d.writer.dir, left))
		}
	}
	d.writer.close()
	return err
}

func (d *durable) sync() {
	err := d.writer.sync()
	d.mu.Lock()
	if err != nil && d.failure == nil {
		d.setFailure(err)
	}
	outdated, keep := d.outdated, d.keep
	d.mu.Unlock()
	if outdated {
		d.clear(keep)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	due := d.failure != nil && d.a.now().Sub(d.tried) >= retryEvery
	if d.failure == nil {
		due = d.before+d.writer.position() >= d.due
	}
	if due && !d.making {
		d.making, d.tried = true, d.a.now()
		d.wake <- struct{}{}
	}
}

// clear removes outdated files. An old state is worse than none: a restart would continue
// from lower counters than receivers have, which looks like a reset.
func (d *durable) clear(keep uint64) {
	if d.writer.clear(keep) != nil {
		return // the next sync tries again
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keep == keep {
		d.outdated = false
	}
}

// switched records that the journal of that number is written from now on. The one
// before ends at end, or was abandoned. The aggregator's lock is held.
func (d *durable) switched(number uint64, end int64, abandoned error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if abandoned != nil && d.failure == nil { // since the latest sync
		d.setFailure(abandoned)
	}
	d.number = number
	d.before += end
}

// setFailure records that a restart could not continue from the files. The caller holds mu.
func (d *durable) setFailure(err error) {
	d.logger.Error("the state cannot be written; counting continues in memory, and exactness is suspended: after a restart now, every counter would reset to 0", "err", err)
	d.failure, d.outdated = err, true
	d.keep = d.number + 1
	d.tried = d.a.now()
	d.a.metrics.stateFailures.Inc()
}

// checkpoints makes snapshots as they are due.
func (d *durable) checkpoints() {
	for {
		select {
		case <-d.ended:
			return
		case <-d.wake:
			d.checkpoint()
		}
	}
}

// checkpoint makes a snapshot. Meanwhile the journal continues in a new file; when the
// snapshot is complete, older files are removed.
func (d *durable) checkpoint() {
	d.mu.Lock()
	number := d.number + 1
	d.mu.Unlock()

	size, err := d.snapshot(number)
	if err == nil {
		err = d.writer.clear(number)
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	d.making = false
	if err == nil && d.failure != nil {
		err = d.writer.failed()
	}
	switch {
	case errors.Is(err, errEnded):
		return
	case err == nil && d.failure != nil:
		d.logger.Info("the state is on disk again; exactness is no longer suspended")
		d.failure, d.outdated = nil, false
	case err != nil && d.failure == nil:
		// The journal continues.
		d.logger.Warn("no snapshot of the state could be written: the journal grows until there is one", "err", err)
	}
	switch {
	case err == nil:
		d.size, d.before, d.due = size, 0, max(d.minBytes, journalRatio*size)
		d.a.metrics.stateSnapshots.Inc()
	case d.failure != nil:
		d.writer.abandon(err)
		d.outdated, d.keep = true, d.number+1
	default: // retried after as many bytes again
		d.due = d.before + d.writer.position() + max(d.minBytes, journalRatio*d.size)
	}
}

// stateBytes is the size of the state on disk.
func (a *Aggregator) stateBytes() int {
	d := a.durable
	if d == nil {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return int(d.size + d.before + d.writer.position())
}
