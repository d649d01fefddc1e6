// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// maxMarks bounds how many changes of names a log remembers, with [maxMarkFile]. A
// backlog that is older than those takes the names of the oldest that is left.
const maxMarks = 256

// mark says how series are called from a tick on, at each endpoint. A change of
// names takes effect for ticks after it only: a backlog keeps the names under
// which its series began. It is immutable.
type mark struct {
	from uint64 // number of the first tick
	// external are the log's external labels. They lie in the ticks themselves; here
	// they tell a later process whether its own are others.
	external []wire.Label
	names    map[Hash]string // of the endpoints that there were, as texts of theirs
}

// sameNames says whether two marks differ in nothing but when.
func (m *mark) sameNames(o *mark) bool {
	return slices.Equal(m.external, o.external) &&
		maps.Equal(m.names, o.names)
}

// marks are the changes of names that a log knows of, in order. On a durable log
// they are in a file of their own (namesfile.go), which is synced before the first
// tick that uses the last of them: so whatever becomes of a tick's segment, its
// names are known as long as it is.
type marks struct {
	list    []*mark
	version uint64 // counts the changes of the list
}

// last is what is in force, nil: nothing has been said.
func (m *marks) last() *mark {
	if len(m.list) == 0 {
		return nil
	}
	return m.list[len(m.list)-1]
}

// add puts a mark behind the others, in place of those that no tick has used. It
// returns the last of the oldest that had to go for it, nil: none had.
func (m *marks) add(next *mark) (dropped *mark) {
	if last := m.last(); last != nil && last.sameNames(next) {
		return nil
	}
	m.version++
	for last := m.last(); last != nil && last.from >= next.from; last = m.last() {
		m.list = m.list[:len(m.list)-1]
	}
	if last := m.last(); last != nil && last.sameNames(next) {
		return nil // it was taken back before any tick
	}
	m.list = append(m.list, next)
	if n := len(m.list) - m.fitting(); n > 0 {
		dropped = m.list[n-1]
		m.list = slices.Delete(m.list, 0, n)
	}
	return dropped
}

// fitting returns how many of the newest marks there may be: at least one, and no more
// than the mark file can be read with.
func (m *marks) fitting() (n int) {
	const number = binary.MaxVarintLen64
	size := 2 * number
	texts := map[string]bool{} // marks share most of them
	for n < min(len(m.list), maxMarks) {
		next := m.list[len(m.list)-1-n]
		size += 3 * number
		for _, l := range next.external {
			size += 2*number + len(l.Name) + len(l.Value)
		}
		for _, text := range next.names {
			size += len(Hash{}) + number
			if !texts[text] {
				texts[text] = true
				size += number + len(text)
			}
		}
		if n > 0 && size > maxMarkFile {
			break
		}
		n++
	}
	return n
}

// at returns the names of an endpoint at a tick. Where a mark does not have it, it
// came later, or is about to go: then it is called as when it was there.
func (m *marks) at(id Hash, number uint64) (text string, known bool) {
	i := 0
	for i+1 < len(m.list) && m.list[i+1].from <= number {
		i++
	}
	for _, later := range m.list[min(i, len(m.list)):] {
		if text, known := later.names[id]; known {
			return text, true
		}
	}
	for i--; i >= 0; i-- {
		if text, known := m.list[i].names[id]; known {
			return text, true
		}
	}
	return "", false
}

// NamesAt returns the names of an endpoint's series at a tick. Where they are not
// known, those of its configuration count.
func (l *Log) NamesAt(id Hash, number uint64) (text string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks.at(id, number)
}

// NamesInForce is that for the tick that will be appended next.
func (l *Log) NamesInForce(id Hash) (text string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks.at(id, l.next)
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
func (l *Log) recoverMarks() error {
	found, err := l.store.readMarks(l.checkNames)
	if err != nil {
		return err
	}
	for _, problem := range found.problems {
		if errors.Is(problem, fs.ErrPermission) {
			return notAllowed(problem)
		}
		l.store.damaged(l, damagedMarks, problem)
	}
	if found.lost && len(l.ticks) > 0 {
		l.logger.Warn("it is not known how the series of older ticks were called: what waits is sent under the names of the present configuration",
			"ticks", len(l.ticks), "first", time.UnixMilli(l.ticks[0].At).UTC())
	}
	onDisk := true
	for _, m := range found.list {
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
