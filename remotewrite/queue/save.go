// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Commit makes the cursor durable. An endpoint does so before it sends anything of
// a group: after a crash at worst that group is sent again, which receivers accept
// as nothing newer of its series has gone out. While the disk fails, the
// endpoint continues: then a crash makes it repeat older groups, which receivers
// refuse or know already. Only if those are to be condensed by then, or have been, what
// began and ended in them may count twice; exactness is suspended.
func (c *Cursor) Commit() {
	l := c.log
	if l.store == nil {
		return
	}
	l.mu.Lock()
	durable := c.detached || c.saved == c.state()
	l.mu.Unlock()
	if !durable {
		_ = l.saveFor(c) // noted as trouble
	}
}

// save makes all cursors durable.
func (l *Log) save() error { return l.saveFor(nil) }

// saveFor does so if that of c is not yet; endpoints that wait for each other
// here need one sync for all.
func (l *Log) saveFor(c *Cursor) error {
	s := l.store
	s.saving.Lock()
	defer s.saving.Unlock()
	l.mu.Lock()
	if s.closed.Load() || (c != nil && c.saved == c.state()) {
		l.mu.Unlock()
		return nil
	}
	file := cursors{next: l.next, lastAt: l.lastAt, total: l.total, states: make(map[Hash]cursorState)}
	written := make(map[*Cursor]cursorState)
	for c := range l.cursors {
		file.states[c.id] = c.state()
		written[c] = c.state()
	}
	l.mu.Unlock()
	err := s.cursors.Write(appendCursors(nil, &file))
	s.noteTrouble(partCursors, err)
	if err != nil {
		return fmt.Errorf("log: cursors: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, state := range written {
		c.saved = state
	}
	return nil
}

// sweep removes segments that no endpoint needs. That the cursors are past them must
// be on disk first: a cursor that finds its ticks gone takes them for lost, and
// makes up for zeros that the receiver has.
func (l *Log) sweep() {
	s := l.store
	if s == nil {
		return
	}
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	if s.closed.Load() {
		return
	}
	l.mu.Lock()
	needed := l.next
	if len(l.ticks) > 0 {
		needed = l.ticks[0].Number
	}
	for len(s.segments) > 0 && s.segments[0].last < needed && !s.segments[0].Growing() {
		s.markForDeletion()
	}
	due := 0
	for _, d := range s.toDelete {
		if d.refs == 0 {
			due++
		}
	}
	l.mu.Unlock()
	if (due > 0 || s.trouble.Of(partCursors) != nil) && l.save() != nil || due == 0 {
		return
	}
	l.mu.Lock()
	var remove []*segment
	s.toDelete = slices.DeleteFunc(s.toDelete, func(d *segment) bool {
		if d.refs > 0 {
			return false
		}
		remove = append(remove, d)
		return true
	})
	l.mu.Unlock()
	var kept []*segment
	for _, d := range remove {
		d.Close()
		if err := s.fs.Remove(d.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			kept = append(kept, d) // until the next time
		}
	}
	l.mu.Lock()
	s.toDelete = append(s.toDelete, kept...)
	l.mu.Unlock()
}
