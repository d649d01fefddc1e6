// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/skydive-project/skybridge/disk"
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
// they are in a file of their own, which is synced before the first
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
	// No more than can be read again, but one at least.
	for len(m.list) > 1 && (len(m.list) > maxMarks || len(appendMarks(nil, m.list)) > maxMarkFile) {
		dropped = m.list[0]
		m.list = slices.Delete(m.list, 0, 1)
	}
	return dropped
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

// parseMarks reads marks. A text that check does not understand is a problem and left
// out: to its endpoint the present configuration counts.
func parseMarks(b []byte, check func(text string) (string, error)) (list []*mark, problems []error, err error) {
	d := disk.Decoder{Rest: b}
	var texts []string
	bad := make(map[int64]bool)
	for n := d.Count(); n > 0 && !d.Bad; n-- {
		text, err := check(d.String())
		if err != nil {
			problems = append(problems, err)
			bad[int64(len(texts))] = true
		}
		texts = append(texts, text)
	}
	for n := d.Count(); n > 0 && !d.Bad; n-- {
		m := &mark{from: d.Uvarint(), names: make(map[Hash]string)}
		if len(list) > 0 && list[len(list)-1].from >= m.from {
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
		list = append(list, m)
	}
	if d.Bad || len(d.Rest) > 0 {
		return nil, nil, fmt.Errorf("marks: %w", disk.ErrDamaged)
	}
	return list, problems, nil
}

// readMarks returns what is in the mark file, as parseMarks does.
func readMarks(system disk.FS, name string, check func(text string) (string, error)) (list []*mark, problems []error, err error) {
	payload, err := disk.ReadSmall(system, name, markMagic, markVersion, maxMarkFile)
	if err != nil {
		return nil, nil, err
	}
	return parseMarks(payload, check)
}

// writeMarks makes marks durable. After an error those that were written before still
// are, or these.
func writeMarks(system disk.FS, name string, list []*mark) error {
	payload := appendMarks(nil, list)
	if len(payload) > maxMarkFile { // it could not be read; one mark alone can be so large
		return fmt.Errorf("log: marks of %d bytes are more than %d", len(payload), maxMarkFile)
	}
	if err := disk.WriteSmall(system, name, markMagic, markVersion, payload); err != nil {
		return fmt.Errorf("log: write marks: %w", err)
	}
	return nil
}
