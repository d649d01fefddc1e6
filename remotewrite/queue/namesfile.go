// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// The mark file says how series are called from which tick on: texts, then marks
// (docs/reference/files.md). It seldom changes, and is replaced as a whole each time
// ([disk.WriteSmall]). It is not part of the segments because it must outlive them: when
// all are sent and gone, the next process still has to know under which names the
// series run that it continues.
const (
	markMagic   = "skymark\x00"
	markVersion = 1
	maxMarkFile = 64 << 20 // of what follows the header

	markName = "marks"
)

// appendMarks encodes marks: the texts of names, each once, then the marks.
func appendMarks(dst []byte, list []*mark) []byte {
	number := make(map[string]int)
	var texts []string
	for _, m := range list {
		for _, id := range sortedIDs(m.names) {
			text := m.names[id]
			if _, ok := number[text]; !ok {
				number[text] = len(texts)
				texts = append(texts, text)
			}
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(texts)))
	for _, text := range texts {
		dst = disk.AppendString(dst, text)
	}
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, m := range list {
		dst = binary.AppendUvarint(dst, m.from)
		dst = binary.AppendUvarint(dst, uint64(len(m.external)))
		for _, l := range m.external {
			dst = disk.AppendString(disk.AppendString(dst, l.Name), l.Value)
		}
		dst = binary.AppendUvarint(dst, uint64(len(m.names)))
		for _, id := range sortedIDs(m.names) {
			dst = append(dst, id[:]...)
			dst = binary.AppendUvarint(dst, uint64(number[m.names[id]]))
		}
	}
	return dst
}

func sortedIDs(names map[Hash]string) []Hash {
	return slices.SortedFunc(maps.Keys(names), func(a, b Hash) int { return slices.Compare(a[:], b[:]) })
}

// foundMarks is what is in a mark file.
type foundMarks struct {
	list []*mark
	// problems are what could not be read or is not understood; lost: there is
	// nothing.
	problems []error
	lost     bool
}

// parseMarks reads marks. A text that check does not understand is left out: to its
// endpoint the present configuration counts.
func parseMarks(b []byte, check func(text string) (string, error)) (found foundMarks, err error) {
	d := disk.Decoder{Rest: b}
	var texts []string
	bad := make(map[int64]bool)
	for n := d.Count(); n > 0 && !d.Bad; n-- {
		text, err := check(d.String())
		if err != nil {
			found.problems = append(found.problems, err)
			bad[int64(len(texts))] = true
		}
		texts = append(texts, text)
	}
	for n := d.Count(); n > 0 && !d.Bad; n-- {
		m := &mark{from: d.Uvarint(), names: make(map[Hash]string)}
		if len(found.list) > 0 && found.list[len(found.list)-1].from >= m.from {
			d.Bad = true
		}
		for n := d.Count(); n > 0 && !d.Bad; n-- {
			l := wire.Label{Name: d.String(), Value: d.String()}
			if k := len(m.external); l.Name == "" || (k > 0 && m.external[k-1].Name >= l.Name) || !utf8.ValidString(l.Name+l.Value) {
				d.Bad = true // a tick relies on the order
			}
			m.external = append(m.external, l)
		}
		for n := d.Count(); n > 0 && !d.Bad; n-- {
			id := identity(&d)
			i := d.Count()
			if i >= int64(len(texts)) {
				d.Bad = true
				break
			}
			if !bad[i] {
				m.names[id] = texts[i]
			}
		}
		found.list = append(found.list, m)
	}
	if d.Bad || len(d.Rest) > 0 {
		return foundMarks{}, fmt.Errorf("marks: %w", disk.ErrDamaged)
	}
	return found, nil
}

// identity reads an endpoint's hash.
func identity(d *disk.Decoder) (id Hash) {
	copy(id[:], d.Take(uint64(len(id))))
	return id
}

// readMarks returns what is in the mark file. Damage is no error, a newer format is.
func (s *store) readMarks(check func(text string) (string, error)) (found foundMarks, err error) {
	payload, err := disk.ReadSmall(s.fs, s.path(markName), markMagic, markVersion, maxMarkFile)
	if err == nil {
		found, err = parseMarks(payload, check)
	}
	switch {
	case err == nil:
		return found, nil
	case errors.Is(err, fs.ErrNotExist):
		return foundMarks{lost: true}, nil
	case errors.Is(err, disk.ErrNewer):
		return found, fmt.Errorf("log: %s: %w", s.path(markName), err)
	}
	return foundMarks{problems: []error{fmt.Errorf("%s: %w", markName, err)}, lost: true}, nil
}

// writeMarks makes marks durable. After an error those that were written before still
// are, or these.
func (s *store) writeMarks(list []*mark) error {
	payload := appendMarks(nil, list)
	if len(payload) > maxMarkFile { // it could not be read; one mark alone can be so large
		return fmt.Errorf("log: marks of %d bytes are more than %d", len(payload), maxMarkFile)
	}
	if err := disk.WriteSmall(s.fs, s.path(markName), markMagic, markVersion, payload); err != nil {
		return fmt.Errorf("log: write marks: %w", err)
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
	if err := l.store.writeMarks(list); err != nil {
		return err
	}
	l.store.marksSaved = version
	return nil
}
