// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// NamesAt returns the names of an endpoint's series at a tick. Where they are not
// known, those of its configuration count.
func (l *Log) NamesAt(id Hash, number uint64) (text string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks.at(id, number)
}

// SetNames says how endpoints call the series of ticks that come; those that are
// not in names are gone. With keep, what is in force stays so, for the log's
// external labels too, and names only counts for new endpoints; the answer is then
// whether anything else was asked for.
func (l *Log) SetNames(names map[Hash]string, keep bool) (differs bool) {
	l.appending.Lock() // a tick that is being written has the names of before
	defer l.appending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.marks.last(); last != nil {
		for id, text := range names {
			if old, known := last.names[id]; known && keep && old != text {
				names[id] = old
				differs = true
			}
		}
		if keep && !slices.Equal(l.external, last.external) {
			l.external = last.external
			differs = true
		}
	}
	l.mark(names)
	return differs
}

// mark records what is in force from the next tick on. The caller holds appending
// and mu.
func (l *Log) mark(names map[Hash]string) {
	dropped := l.marks.add(&mark{from: l.next, external: l.external, names: names})
	if dropped == nil {
		return
	}
	for c := range l.cursors {
		if c.next < l.marks.list[0].from {
			l.metrics.marksDropped.Inc()
			l.logger.Warn("names have changed too often while an endpoint is behind: the oldest of its backlog is sent under later names",
				"changes", maxMarks)
			return
		}
	}
}

// SetExternalLabels changes the external labels of ticks that begin after it.
// To the receivers this makes every series another one, so the caller ends all
// series first.
func (l *Log) SetExternalLabels(labels []wire.Label) {
	sorted := wire.SortedLabels(labels)
	l.appending.Lock()
	defer l.appending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.external = sorted
	if last := l.marks.last(); last != nil {
		l.mark(last.names)
	}
}

// ExternalLabels returns the external labels in force, sorted by name: those of
// ticks that begin now. After a Sender has resumed they are those of the former
// process.
func (l *Log) ExternalLabels() []wire.Label {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.external)
}

// recoverMarks reads how the former process called series.
func (l *Log) recoverMarks(checkNames func(text string) (string, error)) error {
	name := l.store.path(markName)
	list, problems, err := readMarks(l.store.fs, name, checkNames)
	if stop := unusable(name, err); stop != nil {
		return stop
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		problems = append(problems, fmt.Errorf("%s: %w", markName, err))
	}
	for _, problem := range problems {
		l.store.damaged(damagedMarks, problem)
	}
	if err != nil && len(l.ticks) > 0 {
		l.logger.Warn("it is not known how the series of older ticks were called: what waits is sent under the names of the present configuration",
			"ticks", len(l.ticks), "first", time.UnixMilli(l.ticks[0].At).UTC())
	}
	onDisk := true
	for _, m := range list {
		if m.from > l.next {
			// The ticks before it are gone, as with a disk that failed, and
			// their numbers are used again: under these names, also for a later start.
			m.from, onDisk = l.next, false
		}
		l.marks.add(m)
	}
	if onDisk {
		l.store.marksSaved = l.marks.version
	}
	return nil
}

// saveMarks makes the marks durable, where they are not. The caller holds
// appending, and writes a tick next.
func (l *Log) saveMarks() error {
	l.mu.Lock()
	version, list := l.marks.version, slices.Clone(l.marks.list)
	l.mu.Unlock()
	if version == l.store.marksSaved {
		return nil
	}
	if err := writeMarks(l.store.fs, l.store.path(markName), list); err != nil {
		return err
	}
	l.store.marksSaved = version
	return nil
}
