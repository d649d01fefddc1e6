// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

// Recovery is what [Replica.Open] found of a former process.
type Recovery struct {
	// Found says that there was one.
	Found bool
	// ResetReason, where not empty, is why the counters reset to 0 although there was a
	// former process.
	ResetReason string
	// Entries is how many were applied to the snapshot, and Ticks how many of them are ticks
	// that the log of ticks lacked.
	Entries, Ticks int
	// Cut is how many bytes at the end of the journal were torn by a crash; no sample had
	// what was in them.
	Cut int64
	// SentUntil, where not 0, says that receivers may have samples up to that time in ms
	// that the log of ticks does not have: it is an older copy, or has no state beside it.
	SentUntil int64
	// Took is how long it took.
	Took time.Duration
}

// Remake makes a tick once more that the log of ticks lacks: it calls sample, once, with what
// takes the samples. configuration is the one that was in force.
type Remake func(at int64, configuration []byte, sample func(aggregator.Emitter))

// Open continues from the state that a former process left in a directory, keeps it there from
// now on, and begins the time of this process. Call it before anything else, in the place of
// Start. What the former process configured is in force then, if its state could be continued,
// else cfg. A state that cannot be used is no error but a reason to reset all counters; a state
// of a newer version is an error, and so is one that cannot be read.
//
// Ticks that the log of ticks lacks are made once more. If it has a tick that the state does not
// have, the state is an old one: to continue from it would count twice.
func (r *Replica) Open(config StoreConfig, cfg Configuration, remake Remake) (Recovery, error) {
	began := time.Now()
	if config.CheckpointBytes == 0 {
		config.CheckpointBytes = minCheckpoint
	}
	s := &store{
		StoreConfig: config, r: &r.sequencer,
		wake: make(chan struct{}, 1), cuts: make(chan cut, 1), ended: make(chan struct{}),
	}
	snapshots, err := disk.ListNumbered(s.FS, s.Dir, snapshotFormat.Suffix)
	var opened input.Recovery
	if err == nil {
		segment := int64(segmentBytes)
		if s.MaxBytes > 0 {
			segment = min(segment, s.MaxBytes/8)
		}
		s.journal, opened, err = input.OpenJournal(input.JournalConfig{FS: s.FS, Dir: s.Dir, SegmentBytes: segment})
	}
	if err != nil {
		return Recovery{}, explain(err)
	}
	r.store = s
	s.sized(0)
	found := Recovery{Cut: opened.CutBytes}
	if opened.Damaged {
		r.logger.Warn("entries of the journal cannot be read; the state is as it was before them", "bytes", opened.CutBytes)
	}
	continues, err := r.load(snapshots, &found, cfg, remake)
	if err != nil {
		r.store = nil
		return Recovery{}, errors.Join(err, s.journal.Close())
	}
	r.base, r.began = max(r.clock.Wall().UnixMilli(), r.last), r.clock.Passing()
	if err := r.begin(continues, &found, cfg); err != nil {
		return found, err
	}
	s.run.Go(s.checkpoints)
	if found.ResetReason != "" {
		r.metrics.resets.Inc()
	}
	r.metrics.cutBytes.Add(float64(found.Cut))
	found.Took = time.Since(began)
	return found, nil
}

// explain says what to do about an error of reading.
func explain(err error) error {
	switch {
	case errors.Is(err, disk.ErrNewer):
		return fmt.Errorf("state: %w: run that version, or remove the directory, which resets every counter to 0", err)
	case errors.Is(err, fs.ErrPermission): // an operator can correct that; a reset cannot be undone
		return fmt.Errorf("state: %w: give the files to the user who runs the bridge (chown -R)", err)
	default:
		return fmt.Errorf("state: %w: look after the disk, or remove the directory, which resets every counter to 0", err)
	}
}

// unusable is why a state cannot be continued.
type unusable string

func (u unusable) Error() string { return string(u) }

// load restores the latest snapshot and applies the entries since, if that can be. It reports
// whether the journal continues from there as it is. An error is one that somebody can correct.
func (r *Replica) load(snapshots []disk.Numbered, found *Recovery, cfg Configuration, remake Remake) (continues bool, err error) {
	s := r.store
	defer r.aggregator.Quiet()()
	switch {
	case len(snapshots) > 0:
		found.Found = true
		number := snapshots[len(snapshots)-1].Number
		continues, err = r.restore(number, found, remake)
		switch reason := unusable(""); {
		case errors.Is(err, disk.ErrDamaged), errors.As(err, &reason):
			found.ResetReason = err.Error()
		case err != nil:
			return false, explain(err)
		}
		r.next = max(r.next, number)
	case s.journal.Next() > 1: // it is of no use without
		found.ResetReason, found.SentUntil = "there is no snapshot in "+s.Dir, max(0, s.LastTick)
	default:
		state, err := r.adopt(cfg)
		if err != nil {
			return false, err
		}
		found.Found, found.ResetReason, found.SentUntil = state.Continues, state.ResetReason, state.SentUntil
		found.Cut += state.Cut
	}
	if found.ResetReason != "" {
		r.forget()
		continues = false
	}
	r.next = max(r.next, s.journal.Next())
	return continues && r.next == s.journal.Next(), nil
}

// forget lets go of what was restored.
func (r *Replica) forget() {
	r.aggregator.Reset()
	r.configuration, r.tick = nil, 0
}

// restore restores a snapshot and applies the entries since. An error says why the state
// cannot be used.
func (r *Replica) restore(number uint64, found *Recovery, remake Remake) (continues bool, err error) {
	s := r.store
	file, h, err := openSnapshot(s.FS, s.Dir, number)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.file.Close() }() // it was only read
	if !h.First && s.hasFormer() {
		return false, unusable("an older version has run since, and left its state in " + s.Former)
	}
	if h.Rules != Rules && s.journal.Next() > h.Next {
		return false, unusable(fmt.Sprintf("its counting rules have the number %d, not %d, and it was not closed", h.Rules, Rules))
	}
	if err := r.aggregator.Apply(&input.Entry{Kind: input.KindConfigure, Configuration: h.Configuration}); err != nil {
		return false, unusable(err.Error())
	}
	if err := r.aggregator.Restore(file.next); err != nil {
		return false, err
	}
	s.sized(file.offset)
	s.number = number
	r.next, r.last, r.tick, r.configuration = h.Next, h.Time, h.Tick, h.Configuration
	if s.LastTick >= 0 && r.tick > s.LastTick {
		found.SentUntil = r.tick
	}
	continues = h.Rules == Rules
	if s.journal.Next() > h.Next {
		err := s.journal.Read(h.Next, func(_ uint64, e *input.Entry) error {
			r.replay(e, found, remake)
			return nil
		})
		switch {
		case errors.Is(err, disk.ErrDamaged), errors.Is(err, input.ErrMissing):
			r.logger.Warn("entries of the journal cannot be read; the state is as it was before them", "err", err)
			continues = false
		case err != nil:
			return false, err
		}
	}
	if r.tick < s.LastTick {
		return false, unusable(fmt.Sprintf("it is of %s, older than what was sent last, of %s", stamp(r.tick), stamp(s.LastTick)))
	}
	return continues, nil
}

// replay applies an entry once more, as when it was appended.
func (r *Replica) replay(e *input.Entry, found *Recovery, remake Remake) {
	s := r.store
	_ = r.apply(e) // what means nothing did not then
	if found.Entries++; e.Kind != input.KindTick {
		return
	}
	if s.LastTick < 0 || r.tick <= s.LastTick {
		r.aggregator.Sample(nil)
	} else {
		remake(r.tick, r.configuration, r.aggregator.Sample)
		s.LastTick = r.tick
		found.Ticks++
	}
	r.aggregator.Publish()
}

func stamp(ms int64) string {
	if ms == 0 {
		return "before any tick"
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)
}

// begin begins the time of this process. Where the journal does not continue the state as it
// is, a snapshot comes before the first entry.
func (r *Replica) begin(continues bool, found *Recovery, cfg Configuration) error {
	s := r.store
	failure := s.journal.Err()
	if found.ResetReason != "" || failure != nil { // a restart must not continue from it
		s.outdated = s.removeAll() != nil
	}
	if failure != nil && s.outdated && found.Found && found.ResetReason == "" {
		// Maybe the former process could not write either, and pushed from memory what is
		// not in these files.
		found.ResetReason = "its files can be neither written nor removed: receivers may have later values"
		r.forget()
	}
	s.journaling = failure == nil && continues
	if r.configuration == nil {
		if err := r.Configure(cfg); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.start(s.LastTick)
	r.mu.Unlock()
	if failure == nil && !continues {
		failure = s.first()
	}
	if failure != nil {
		r.mu.Lock()
		s.fail(failure)
		r.mu.Unlock()
	}
	return nil
}
