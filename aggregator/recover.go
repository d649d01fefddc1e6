// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// Recovery says what an aggregator has from a former process.
type Recovery struct {
	// Connections and Flows are how many of each there are.
	Connections, Flows int
	// Anew says, where not empty, why the counters begin anew although a former
	// process left some.
	Anew string
	// Cut is how many bytes at the end of the journal were no use: what a crash had
	// left of updates that no sample held.
	Cut int64
	// SentUntil, where not 0, says that receivers may have been sent more than the log
	// knows of, up to that time in ms: it is older than the state by more than a tick,
	// or has no state beside it. So is a copy of the log alone that was put back.
	SentUntil int64
	// Took is how long it took.
	Took time.Duration
}

// Recover goes on from the state that a former process left in a directory, and
// keeps it there from now on. It comes before anything else that the aggregator
// does. What cannot be read is no error, but a reason to begin anew; a state that
// a newer version wrote is one, and so is one that this user may not read.
//
// Where the state does not fit the log, the log is believed: a tick that it does
// not have was not sent, and is taken back. One that the state does not have means
// that the state is an old one. To go on from it would look to receivers like a
// reset and count twice, so every counter begins anew, and so do epochs.
func (a *Aggregator) Recover(cfg StateConfig, logger *slog.Logger) (Recovery, error) {
	began := time.Now()
	if cfg.FS == nil {
		cfg.FS = disk.OS{}
	}
	if cfg.CheckpointBytes == 0 {
		cfg.CheckpointBytes = minCheckpoint
	}
	r, configured := newReplay(a), a.connections.layout
	var found chain
	files, err := listFiles(cfg.FS, cfg.Dir)
	if err == nil {
		found, err = r.files(cfg.FS, cfg.Dir, files)
	}
	switch {
	case errors.Is(err, disk.ErrNewer):
		return Recovery{}, fmt.Errorf("state: %w: run that version, or remove the directory and let every counter begin anew", err)
	case errors.Is(err, fs.ErrPermission):
		// A person can mend that; what begins anew cannot be undone.
		return Recovery{}, fmt.Errorf("state: %w: give the files to the user who runs the bridge (chown -R)", err)
	case err != nil:
		found.anew = err.Error()
	}
	undone, oldLog := false, found.none
	if found.anew == "" {
		undone, oldLog, found.anew = r.fit(cfg.LastTick)
	}
	sentUntil := int64(0)
	if oldLog && cfg.LastTick > 0 {
		sentUntil = max(a.latest.at, cfg.LastTick)
	}
	if found.anew == "" {
		if dropped := r.finish(); dropped > 0 {
			found.anew = fmt.Sprintf("%d of its records contradict others", dropped)
		}
	}
	a.unsure = false
	if found.anew != "" {
		a.forget(configured)
		r.feedNow, undone = 0, false
	}
	a.resume(r.feedNow, cfg.LastTick)

	d := &durable{
		a: a, store: newStore(cfg.FS, cfg.Dir), logger: logger, least: cfg.CheckpointBytes,
		kick: make(chan struct{}, 1), ended: make(chan struct{}), heads: make(chan snapshotHead, 1),
		number: files.last, size: found.snapshot, before: found.journals, due: max(cfg.CheckpointBytes, journalRatio*found.snapshot),
	}
	a.durable = d
	if found.last >= found.base+maxJournals {
		d.due = 0
	}
	if !d.open(found, files, undone) && found.anew == "" && d.outdated {
		// Nor could a former process, maybe, which then pushed from memory what is not
		// in here. Every start would go on from the same values again.
		found.anew = "the disk takes nothing, not even its removal: receivers may have more than it says"
		a.forget(configured)
		a.resume(0, cfg.LastTick)
		d.attach(a.journal)
	}
	d.run.Go(d.checkpoints)

	if found.none && cfg.LastTick <= 0 {
		found.anew = "" // the first process
	}
	if found.anew != "" {
		a.metrics.stateDoubts.Inc()
	}
	a.metrics.stateCutBytes.Add(float64(found.cut))
	return Recovery{
		Connections: a.connections.records.used,
		Flows:       a.baselines.records.used,
		Anew:        found.anew,
		Cut:         found.cut,
		SentUntil:   sentUntil,
		Took:        time.Since(began),
	}, nil
}

// forget leaves nothing of what a former process left.
func (a *Aggregator) forget(configured *Layout) {
	a.sources, a.captures = newSources(), newCaptures()
	a.held = 0
	a.baselines = newBaselines(a.sources)
	a.connections = newConnections(configured, nil)
	a.groups, a.conversationKey = groups{}, newConversationKey()
	a.listeners.clear()
	a.latest, a.unsure = tickTimes{}, true
}

// attach has everything that changes journaled.
func (d *durable) attach(j *journal) {
	a := d.a
	a.journal, a.connections.journal, a.sources.journal, a.listeners.journal = j, j, j, j
}

// open begins the journal of this process: it goes on from the one that was read,
// or from nothing. Where the disk does not allow that, the state that is there is
// removed, if that is allowed, and open returns false.
func (d *durable) open(found chain, files stateFiles, undone bool) bool {
	j := &journal{store: d.store, frame: make([]byte, frameHeader, snapshotFrame)}
	a := d.a
	d.attach(j)
	err := func() error {
		how := uint64(fromJournal)
		if found.anew != "" {
			how = fromEmpty
			d.size, d.before, d.due = 0, 0, d.least
		} else {
			// What was read may never have been synced, and what was not read must not
			// seem to follow this process's journal.
			if err := errors.Join(d.settle(found), d.removeAbove(files, found.last)); err != nil {
				return err
			}
			d.number = found.last
		}
		file, err := d.newJournal(d.number + 1)
		if err != nil {
			return err
		}
		d.number++
		_, _ = d.store.use(file) // it is the first
		j.frame = appendHead(j.frame, d.number, how, found.end)
		if how == fromEmpty {
			j.frame = appendLayout(j.frame, a.connections.layout)
		}
		// A state of an older version has none yet.
		j.frame = appendConversationKey(j.frame, &a.conversationKey)
		if undone {
			j.frame = append(j.frame, byte(kindUndo))
		}
		j.seal(a.clock.elapsed)
		if err := d.store.sync(); err != nil {
			return err
		}
		if how == fromEmpty {
			return d.store.clear(d.number)
		}
		return nil
	}()
	if err != nil {
		d.store.giveUp(err)
		j.off = true
		d.noteTrouble(err)
		d.outdated = d.store.clear(d.keep) != nil
	}
	return err == nil
}

// settle syncs the journals that were read.
func (d *durable) settle(found chain) error {
	for number := found.base; number <= found.last; number++ {
		f, err := d.store.fs.Open(fileName(d.store.dir, number, journalSuffix))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// removeAbove removes journals with higher numbers than last, and all snapshots
// that are not whole.
func (d *durable) removeAbove(files stateFiles, last uint64) error {
	var errs []error
	for number := range files.journals {
		if number > last {
			errs = append(errs, d.store.fs.Remove(fileName(d.store.dir, number, journalSuffix)))
		}
	}
	for _, number := range files.parts {
		errs = append(errs, d.store.fs.Remove(fileName(d.store.dir, number, partSuffix)))
	}
	return errors.Join(errs...)
}

// resume goes on with the connections that there are now: with what depends on
// them, and with time where it was, feed time and that of ticks.
func (a *Aggregator) resume(feedNow time.Duration, lastTick int64) {
	a.relabel()
	a.configureTop(a.cfg)
	a.clock.elapsed = feedNow
	a.sources.swept = feedNow
	a.lastTick = max(a.lastTick, a.latest.at, lastTick)
	if lastTick >= 0 {
		if lastTick < a.latest.at { // the log lost ticks that may have been sent
			a.earliestZero = a.latest.at + 1
		}
		a.latest.at = lastTick
	}
}

// fit compares the state with the time of the log's latest tick, takes a tick back
// that the log does not have, and returns whether the log is an old one, and why the
// state is no use, or "".
func (r *replay) fit(lastTick int64) (undone, oldLog bool, anew string) {
	latest := r.a.latest
	switch {
	case lastTick < 0 || latest.at == lastTick:
	case latest.at < lastTick:
		return false, false, fmt.Sprintf("it is of %s, older than what was sent last, of %s", stamp(latest.at), stamp(lastTick))
	case latest.before == lastTick && !r.sent:
		r.undo()
		return true, false, ""
	default:
		// The log lost ticks that may have been sent. The counters go on, and what
		// began in those ticks gets no second zero. Where it could not take the latest
		// one, its disk was in trouble; else it is an old one.
		return false, !r.sent, ""
	}
	return false, false, ""
}

func stamp(ms int64) string {
	if ms == 0 {
		return "before any tick"
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)
}

// stateFiles are the files of a directory, by number.
type stateFiles struct {
	journals, snapshots map[uint64]int64 // sizes in bytes
	parts               []uint64
	last                uint64 // the greatest number
}

// listFiles lists them; a directory that does not exist is made.
func listFiles(system disk.FS, dir string) (stateFiles, error) {
	files := stateFiles{journals: map[uint64]int64{}, snapshots: map[uint64]int64{}}
	made := disk.MakeDir(system, dir) // what else fails is in the way of a journal too
	entries, err := system.ReadDir(dir)
	if err != nil {
		return files, errors.Join(made, err)
	}
	for _, e := range entries {
		number, suffix, ok := parseFileName(e.Name)
		if !ok {
			continue
		}
		files.last = max(files.last, number)
		switch suffix {
		case journalSuffix:
			files.journals[number] = e.Size
		case snapshotSuffix:
			files.snapshots[number] = e.Size
		case partSuffix:
			files.parts = append(files.parts, number)
		}
	}
	return files, nil
}

// chain is what was read of the files: a base, and the journals from it on.
type chain struct {
	none       bool   // there was nothing
	anew       string // why nothing of it can be used
	base, last uint64 // numbers of the first journal and the last
	end        int64  // where the last one ends
	snapshot   int64  // bytes of the snapshot
	journals   int64  // of all journals
	cut        int64
}

// files reads what a former process left. The newest snapshot counts; without one,
// a journal that began from nothing. An error means that none of it can be used.
func (r *replay) files(system disk.FS, dir string, files stateFiles) (c chain, err error) {
	if len(files.journals) == 0 && len(files.snapshots) == 0 {
		return chain{none: true, anew: "there is none"}, nil
	}
	var base uint64
	if len(files.snapshots) > 0 {
		base = slices.Max(slices.Collect(maps.Keys(files.snapshots)))
		r.tail = -1
		c.snapshot = files.snapshots[base]
		_, _, err := readFile(system, fileName(dir, base, snapshotSuffix), r.frame)
		if err == nil && (r.tail < 0 || r.head.number != base) {
			err = fmt.Errorf("snapshot %d: cut off: %w", base, disk.ErrDamaged)
		}
		if err != nil {
			return c, err
		}
	} else {
		base = slices.Min(slices.Collect(maps.Keys(files.journals)))
	}
	c.base = base
	return r.journals(system, dir, files, c)
}

// journals reads the journals from base on, as far as one follows the other.
func (r *replay) journals(system disk.FS, dir string, files stateFiles, c chain) (chain, error) {
	base := c.base
	for number := base; ; number++ {
		size, ok := files.journals[number]
		if !ok {
			break
		}
		first := true
		end, _, err := readFile(system, fileName(dir, number, journalSuffix), func(records []byte, feedNow time.Duration) error {
			if first {
				first = false
				if !headOf(records).follows(number, base, files, c.end) {
					return errUnrelated
				}
			}
			return r.frame(records, feedNow)
		})
		damaged := errors.Is(err, disk.ErrDamaged)
		switch {
		case r.torn, err != nil && !damaged && !errors.Is(err, errUnrelated):
			return c, err
		case first || errors.Is(err, errUnrelated):
			// Made by a process that ended before it wrote to it, or after one whose
			// end is missing.
			if number == base {
				return c, fmt.Errorf("journal %d: no beginning: %w", number, disk.ErrDamaged)
			}
			c.cut += size
			return c, nil
		}
		c.last, c.end, c.cut = number, end, c.cut+size-end
		c.journals += end
		if number == base && len(files.snapshots) > 0 && end < r.tail {
			return c, fmt.Errorf("journal %d: cut off at %d, before its snapshot was taken: %w", number, end, disk.ErrDamaged)
		}
	}
	if c.last == 0 {
		return c, fmt.Errorf("journal %d: missing: %w", base, disk.ErrDamaged)
	}
	return c, nil
}

// headOf returns the head that the first frame of a file begins with.
func headOf(records []byte) (h fileHead) {
	d := disk.Decoder{Rest: records}
	if kind(d.Byte()) == kindHead {
		h = fileHead{d.Uvarint(), d.Uvarint(), int64(d.Uvarint())}
	}
	if d.Bad {
		return fileHead{}
	}
	return h
}

var errUnrelated = errors.New("does not follow the journal before it")

// follows says whether a journal with that head goes on from what was read before:
// the journal before it, which ends at end, or the base itself.
func (h fileHead) follows(number, base uint64, files stateFiles, end int64) bool {
	switch {
	case h.number != number:
		return false
	case number > base:
		return h.how == fromJournal && h.end == end
	case len(files.snapshots) > 0:
		return true
	default:
		return h.how == fromEmpty
	}
}
