// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"errors"
	"fmt"

	"github.com/skydive-project/skybridge/aggregator"
)

// checkpoints makes snapshots as they are due.
func (s *store) checkpoints() {
	for {
		select {
		case <-s.ended:
			return
		case <-s.wake:
			s.checkpoint()
		}
	}
}

// checkpoint makes a snapshot of the next cut, and lets go of what came before it. Where the
// journal fails, it is restarted first.
func (s *store) checkpoint() {
	err := s.restart()
	if err == nil {
		s.mu.Lock()
		s.wanted = true
		s.mu.Unlock()
		select {
		case c := <-s.cuts:
			s.save(c, s.ended)
			return
		case <-s.ended:
			err = errEnded
		}
	}
	s.finish(err)
}

// restart restarts the journal where it fails.
func (s *store) restart() error {
	r := s.r
	r.mu.Lock()
	next, fails := r.next+restartGap, !s.journaling
	r.mu.Unlock()
	if !fails {
		return nil
	}
	if err := s.journal.Restart(next); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next, s.journaling = next, true
	return nil
}

// cut is a snapshot that was begun.
type cut struct {
	head
	blocks *aggregator.Snapshot
	since  int64 // bytes of the journal then
}

// cut begins a snapshot. The log of ticks must have the latest tick. Not ok: one is being
// sampled.
func (s *store) cut() (c cut, ok bool) {
	since, _ := s.journal.Size()
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	s.journal.Roll() // what is before the cut is of no use then
	c = cut{
		head{Rules: Rules, Next: r.next, Time: r.last, Tick: r.tick, Configuration: r.configuration},
		r.aggregator.BeginSnapshot(), since,
	}
	return c, c.blocks != nil
}

// cutIfWanted begins a snapshot if one waits for it. The log of ticks has all of them on disk.
func (s *store) cutIfWanted() {
	if s == nil {
		return
	}
	s.mu.Lock()
	wanted := s.wanted
	s.mu.Unlock()
	if !wanted {
		return
	}
	if c, ok := s.cut(); ok {
		s.mu.Lock()
		s.wanted = false
		s.mu.Unlock()
		s.cuts <- c
	}
}

// save writes the snapshot of a checkpoint.
func (s *store) save(c cut, stop <-chan struct{}) { s.finish(s.write(c, stop)) }

// write writes a snapshot, and removes what came before it.
func (s *store) write(c cut, stop <-chan struct{}) error {
	size, err := writeSnapshot(s.FS, s.Dir, c.head, c.blocks.Next, stop)
	c.blocks.Abandon()
	if err == nil {
		err = s.journal.Err() // entries behind the cut would be missing
	}
	if err == nil {
		err = errors.Join(s.remove(c.Next), s.removeFormer(), s.journal.Release(c.Next))
	}
	if err != nil {
		return err
	}
	after, _ := s.journal.Size()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number, s.since = c.Next, min(c.since, after)
	s.sized(size)
	s.r.metrics.snapshots.Inc()
	return nil
}

// sized sets how large the latest snapshot is, and when the next one is due: well before the
// journal is at its bound.
func (s *store) sized(bytes int64) {
	s.size, s.due = bytes, max(s.CheckpointBytes, bytes/2)
	if s.MaxBytes > 0 {
		s.due = min(s.due, s.MaxBytes/2)
	}
}

// finish records how a checkpoint ended.
func (s *store) finish(err error) {
	bytes, _ := s.journal.Size()
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.making, s.wanted = false, false
	if err == nil && !s.journaling { // it has failed since the cut
		err = s.failure
	}
	switch {
	case errors.Is(err, errEnded):
	case err == nil:
		if s.failure != nil {
			s.r.logger.Info("the state is on disk again; exactness is no longer suspended")
		}
		s.failure, s.outdated = nil, false
	case s.failure == nil: // the journal continues; retried after as many bytes again
		s.r.logger.Warn("no snapshot of the state could be written: the journal grows until there is one", "err", err)
		s.sized(s.size)
		s.due += bytes - s.since
	}
}

// close makes durable all that was counted, in a snapshot.
func (s *store) close() error {
	if s == nil {
		return nil
	}
	select {
	case <-s.ended:
		return nil
	default:
		close(s.ended)
	}
	s.run.Wait()
	select {
	case c := <-s.cuts:
		c.blocks.Abandon()
	default:
	}
	s.sync()
	if err := s.restart(); err == nil {
		if c, ok := s.cut(); ok {
			s.save(c, nil)
			if s.failureNow() == nil && s.journal.Restart(c.Next) == nil { // no entry is behind it
				_ = s.journal.Release(c.Next)
			}
		}
	}
	failure := s.failureNow()
	var left error
	if failure != nil {
		if left = s.removeAll(); left != nil {
			left = fmt.Errorf("and its files cannot be removed: delete %s before the next start, or bytes that receivers have are counted twice: %w", s.Dir, left)
		}
	}
	s.r.mu.Lock()
	s.journaling = false
	s.r.mu.Unlock()
	return errors.Join(failure, left, s.journal.Close())
}

// first writes a snapshot that no entry comes before.
func (s *store) first() error {
	c, _ := s.cut() // no tick can be under way
	c.First = true
	if err := s.write(c, nil); err != nil {
		return err
	}
	if s.journal.Next() != s.r.next {
		if err := s.journal.Restart(s.r.next); err != nil {
			return err
		}
	}
	s.journaling = true
	return nil
}
