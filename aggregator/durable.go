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
	// minCheckpoint is how many bytes of journal call for a snapshot at least. Above
	// it a snapshot is due when the journal is three times as large as the latest one:
	// so snapshots write at most a third of what the journal does, and reading both
	// takes a few seconds for a million connections.
	minCheckpoint = 64 << 20
	journalRatio  = 3
	// maxJournals is how many journals of former processes call for a snapshot: each
	// start reads and syncs all of them.
	maxJournals = 32
	// healEvery is how often a disk in trouble is tried again.
	healEvery = time.Minute
)

// StateConfig says where the state that outlives the process lies.
type StateConfig struct {
	// Dir is the state's own directory. Nobody else may use it.
	Dir string
	// FS is the file system; nil is the system's own.
	FS disk.FS
	// LastTick is the time in ms of the latest tick that the log has, 0 if it has
	// none; negative: nobody reads the log, so that it need not fit the state.
	LastTick int64
	// CheckpointBytes is how large the journal may grow before a snapshot is due at
	// the earliest; 0 is 64 MiB.
	CheckpointBytes int64
}

// durable keeps the state on disk: a journal that the aggregator writes, and now
// and then a snapshot that replaces all of it before.
type durable struct {
	a      *Aggregator
	store  *store
	logger *slog.Logger
	// least is CheckpointBytes.
	least int64
	kick  chan struct{}
	ended chan struct{} // closed by Close
	// next is the journal that the next tick begins with, and heads gets how the
	// snapshot begins once it has. The aggregator's lock guards next.
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
	trouble  error     // why a restart could not go on from what is on disk
	outdated bool      // what is on disk must not be gone on from, but is still there
	tried    time.Time // the latest checkpoint
	making   bool      // a checkpoint is made, or waits for the next tick
}

// Sync makes durable what the latest tick holds: the caller sends nothing of it
// before, and calls [Aggregator.Publish] then. A disk in trouble is no error, see
// [Aggregator.Trouble]: counting goes on, and the next Sync may find the disk
// well again. Without durable state it does nothing.
func (a *Aggregator) Sync() {
	if d := a.durable; d != nil {
		d.sync()
	}
}

// Trouble is why a crash now would lose what was counted, or nil. It is nil
// without durable state, where every end of the process does.
func (a *Aggregator) Trouble() error {
	d := a.durable
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.trouble
}

// MayBeOut records, durably, that receivers may have the latest tick although the
// log could not make it durable. A restart then does not push its zeros again.
func (a *Aggregator) MayBeOut() {
	d := a.durable
	if d == nil {
		return
	}
	a.mu.Lock()
	a.journal.sent()
	a.journal.seal(a.clock.now(a.now()))
	a.mu.Unlock()
	d.sync()
}

// Close makes durable all that was counted, and ends the state, once: what is
// counted afterwards is not durable.
func (a *Aggregator) Close() error {
	d := a.durable
	if d == nil {
		return nil
	}
	return d.close()
}

// close makes everything durable, and ends the goroutines.
func (d *durable) close() error {
	select {
	case <-d.ended:
		return nil // it was closed
	default:
	}
	close(d.ended)
	d.run.Wait()
	err := d.store.sync()
	d.mu.Lock()
	err = errors.Join(d.trouble, err)
	keep := d.number + 1
	d.mu.Unlock()
	if err != nil { // see [durable.clear]
		if left := d.store.clear(keep); left != nil {
			err = errors.Join(err, fmt.Errorf("and it cannot be removed: delete %s before the next start, or receivers that have later values count what they have once more: %w", d.store.dir, left))
		}
	}
	d.store.close()
	return err
}

func (d *durable) sync() {
	err := d.store.sync()
	d.mu.Lock()
	if err != nil && d.trouble == nil {
		d.noteTrouble(err)
	}
	outdated, keep := d.outdated, d.keep
	d.mu.Unlock()
	if outdated {
		d.clear(keep)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	due := d.trouble != nil && d.a.now().Sub(d.tried) >= healEvery
	if d.trouble == nil {
		due = d.before+d.store.position() >= d.due
	}
	if due && !d.making {
		d.making, d.tried = true, d.a.now()
		d.kick <- struct{}{}
	}
}

// clear removes what is outdated. An old state is worse than none: a restart would
// go on from counters that receivers know to be higher, which looks to them like a
// reset.
func (d *durable) clear(keep uint64) {
	if d.store.clear(keep) != nil {
		return // the next sync tries again
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keep == keep {
		d.outdated = false
	}
}

// switched records that the journal of that number is written from now on. The one
// before ends at end, or was given up. The aggregator's lock is held.
func (d *durable) switched(number uint64, end int64, gaveUp error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if gaveUp != nil && d.trouble == nil { // since the latest sync
		d.noteTrouble(gaveUp)
	}
	d.number = number
	d.before += end
}

// noteTrouble records that the state on disk is not what a restart could go on
// from.
func (d *durable) noteTrouble(err error) {
	d.logger.Error("the state cannot be written; counting goes on in memory, and exactness is suspended: a restart now would begin every counter anew", "err", err)
	d.trouble, d.outdated = err, true
	d.keep = d.number + 1
	d.tried = d.a.now()
	d.a.metrics.stateTroubles.Inc()
}

// checkpoints makes snapshots as they are due.
func (d *durable) checkpoints() {
	for {
		select {
		case <-d.ended:
			return
		case <-d.kick:
			d.checkpoint()
		}
	}
}

// checkpoint makes a snapshot. While it does, the journal goes on in a file of
// its own; when it is whole, the files before it go.
func (d *durable) checkpoint() {
	d.mu.Lock()
	number := d.number + 1
	d.mu.Unlock()

	size, err := d.snapshot(number)
	if err == nil {
		err = d.store.clear(number)
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	d.making = false
	if err == nil && d.trouble != nil {
		err = d.store.failed()
	}
	switch {
	case errors.Is(err, errEnded):
		return
	case err == nil && d.trouble != nil:
		d.logger.Info("the state is whole on disk again; exactness is no longer suspended")
		d.trouble, d.outdated = nil, false
	case err != nil && d.trouble == nil:
		// The journal goes on; the next sync tells whether that is well.
		d.logger.Warn("no snapshot of the state: the journal grows until there is one", "err", err)
	}
	switch {
	case err == nil:
		d.size, d.before, d.due = size, 0, max(d.least, journalRatio*size)
		d.a.metrics.stateSnapshots.Inc()
	case d.trouble != nil:
		d.store.giveUp(err)
		d.outdated, d.keep = true, d.number+1
	default: // again when as much again was written
		d.due = d.before + d.store.position() + max(d.least, journalRatio*d.size)
	}
}

// stateBytes is how much the state has on disk.
func (a *Aggregator) stateBytes() int {
	d := a.durable
	if d == nil {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return int(d.size + d.before + d.store.position())
}
