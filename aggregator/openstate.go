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

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/disk"
)

// Recovery is what [Aggregator.OpenState] found of a former process.
type Recovery struct {
	// Connections and Flows are the numbers of recovered ones.
	Connections, Flows int
	// ResetReason, where not empty, is why the counters reset to 0 although there was a
	// former process.
	ResetReason string
	// Cut is how many bytes at the end of the journal were torn by a crash; no sample had
	// what was in them.
	Cut int64
	// SentUntil, where not 0, says that receivers may have samples up to that time in ms
	// that the log does not have: it is older than the state by more than a tick, or has no
	// state beside it, as a restored copy of the log.
	SentUntil int64
	// Took is how long it took.
	Took time.Duration
}

// OpenState continues from the state that a former process left in a directory, and keeps it
// there from now on. Call it before anything else. A state that cannot be read is no error but
// a reason to reset all counters; a state of a newer version is an error, and so is one that
// this user may not read.
//
// Where the state does not match the log, the log is right: a tick that it does not have was
// not sent, and is undone. If the log has a tick that the state does not have, the state is
// an old one. To continue from it would look to receivers like a reset and count twice, so
// all counters reset to 0, and so do the epochs.
func (a *Aggregator) OpenState(cfg StateConfig, logger *slog.Logger) (Recovery, error) {
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
		return Recovery{}, fmt.Errorf("state: %w: run that version, or remove the directory, which resets every counter to 0", err)
	case errors.Is(err, fs.ErrPermission):
		// An operator can correct that; a reset cannot be undone.
		return Recovery{}, fmt.Errorf("state: %w: give the files to the user who runs the bridge (chown -R)", err)
	case err != nil:
		found.resetReason = err.Error()
	}
	undone, oldLog := false, found.none
	if found.resetReason == "" {
		undone, oldLog, found.resetReason = r.matchLog(cfg.LastTick)
	}
	sentUntil := int64(0)
	if oldLog && cfg.LastTick > 0 {
		sentUntil = max(a.latest.at, cfg.LastTick)
	}
	if found.resetReason == "" {
		if dropped := r.finish(); dropped > 0 {
			found.resetReason = fmt.Sprintf("%d of its records contradict others", dropped)
		}
	}
	a.noGridTick = false
	if found.resetReason != "" {
		a.reset(configured)
		r.feedNow, undone = 0, false
	}
	a.resume(r.feedNow, cfg.LastTick)

	d := &durable{
		a: a, writer: newJournalWriter(cfg.FS, cfg.Dir), logger: logger, minBytes: cfg.CheckpointBytes,
		wake: make(chan struct{}, 1), ended: make(chan struct{}), heads: make(chan snapshotHead, 1),
		number: files.last, size: found.snapshot, before: found.journals, due: max(cfg.CheckpointBytes, journalRatio*found.snapshot),
	}
	a.durable = d
	if found.last >= found.base+maxJournals {
		d.due = 0
	}
	if !d.open(found, files, undone) && found.resetReason == "" && d.outdated {
		// Maybe the former process could not write either, and pushed from memory what is
		// not in these files.
		found.resetReason = "its files can be neither written nor removed: receivers may have later values"
		a.reset(configured)
		a.resume(0, cfg.LastTick)
		d.attach(a.journal)
	}
	d.run.Go(d.checkpoints)

	if found.none && cfg.LastTick <= 0 {
		found.resetReason = "" // the first process
	}
	if found.resetReason != "" {
		a.metrics.stateResets.Inc()
	}
	a.metrics.stateCutBytes.Add(float64(found.cut))
	return Recovery{
		Connections: a.connections.records.used,
		Flows:       a.baselines.records.used,
		ResetReason: found.resetReason,
		Cut:         found.cut,
		SentUntil:   sentUntil,
		Took:        time.Since(began),
	}, nil
}

// reset removes everything of a former process.
func (a *Aggregator) reset(configured *label.Layout) {
	a.origins, a.captures = newOrigins(), newCaptures()
	a.held = 0
	a.baselines = newBaselines(a.origins)
	a.connections = newConnections(configured, nil)
	a.shared, a.conversationKey = sharedConversations{}, newConversationKey()
	a.listeners.Restore(nil, 0)
	a.latest, a.noGridTick = tickTimes{}, true
}

// attach makes j the journal of everything.
func (d *durable) attach(j *journal) {
	a := d.a
	a.journal, a.connections.journal, a.origins.journal = j, j, j
}

// open begins the journal of this process, which continues the one that was read, or nothing.
// Where that fails, it removes the files, if it can, and returns false.
func (d *durable) open(found chain, files stateFiles, undone bool) bool {
	j := &journal{writer: d.writer, frame: make([]byte, frameHeader, snapshotFrame)}
	a := d.a
	d.attach(j)
	err := func() error {
		how := uint64(fromJournal)
		if found.resetReason != "" {
			how = fromEmpty
			d.size, d.before, d.due = 0, 0, d.minBytes
		} else {
			// What was read may not be synced, and what was not read must not seem to follow
			// this process's journal.
			if err := errors.Join(d.syncJournals(found), d.removeAbove(files, found.last)); err != nil {
				return err
			}
			d.number = found.last
		}
		file, err := d.newJournal(d.number + 1)
		if err != nil {
			return err
		}
		d.number++
		_, _ = d.writer.use(file) // it is the first
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
		if err := d.writer.sync(); err != nil {
			return err
		}
		if how == fromEmpty {
			return d.writer.clear(d.number)
		}
		return nil
	}()
	if err != nil {
		d.writer.abandon(err)
		j.off = true
		d.setFailure(err)
		d.outdated = d.writer.clear(d.keep) != nil
	}
	return err == nil
}

// syncJournals syncs the journals that were read.
func (d *durable) syncJournals(found chain) error {
	for number := found.base; number <= found.last; number++ {
		f, err := d.writer.fs.Open(fileName(d.writer.dir, number, journalSuffix))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// removeAbove removes journals with higher numbers than last, and incomplete snapshots.
func (d *durable) removeAbove(files stateFiles, last uint64) error {
	var errs []error
	for number := range files.journals {
		if number > last {
			errs = append(errs, d.writer.fs.Remove(fileName(d.writer.dir, number, journalSuffix)))
		}
	}
	for _, number := range files.parts {
		errs = append(errs, d.writer.fs.Remove(fileName(d.writer.dir, number, partSuffix)))
	}
	return errors.Join(errs...)
}

// resume sets what depends on the recovered connections, feed time, and the time of ticks.
func (a *Aggregator) resume(feedNow time.Duration, lastTick int64) {
	a.relabel()
	a.configureTop(a.cfg)
	a.clock.elapsed = feedNow
	a.lastTick = max(a.lastTick, a.latest.at, lastTick)
	if lastTick >= 0 {
		if lastTick < a.latest.at { // the log lost ticks that may have been sent
			a.earliestZero = a.latest.at + 1
		}
		a.latest.at = lastTick
	}
}

// matchLog compares the state with the time of the log's latest tick, and undoes a tick that
// the log does not have. It returns whether the log is an old one, and why the state cannot be
// used, or "".
func (r *replay) matchLog(lastTick int64) (undone, oldLog bool, resetReason string) {
	latest := r.a.latest
	switch {
	case lastTick < 0 || latest.at == lastTick:
	case latest.at < lastTick:
		return false, false, fmt.Sprintf("it is of %s, older than what was sent last, of %s", stamp(latest.at), stamp(lastTick))
	case latest.before == lastTick && !r.sent:
		r.undo()
		return true, false, ""
	default:
		// The log lost ticks that may have been sent. The counters continue, and those that
		// began in these ticks get no second zero. Unless the log could not be written at the
		// latest tick, it is an old one.
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

// chain describes what was read: a base and the journals that follow it.
type chain struct {
	none        bool   // there was nothing
	resetReason string // why none of it can be used
	base, last  uint64 // numbers of the first journal and the last
	end         int64  // where the last one ends
	snapshot    int64  // bytes of the snapshot
	journals    int64  // of all journals
	cut         int64
}

// files reads the files of a former process, from the newest snapshot on or, without one, from
// a journal that continues nothing. An error means that none of it can be used.
func (r *replay) files(system disk.FS, dir string, files stateFiles) (c chain, err error) {
	if len(files.journals) == 0 && len(files.snapshots) == 0 {
		return chain{none: true, resetReason: "there is none"}, nil
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
			// Of a process that ended before it wrote, or after a journal whose end is missing.
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

// follows reports whether a journal with that head continues what was read before: the journal
// before it, which ends at end, or the base itself.
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
