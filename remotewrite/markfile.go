// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/skydive-project/skybridge/disk"
)

// The mark file says how series are called from which tick on. It is described in
// docs/reference/files.md:
//
//	header: magic[8] version u32 crc u32 salt u64 size u32 crc u32
//	texts, marks
//
// It is small and seldom changes: each time it is written anew, under another
// name first. It is not part of the segments because it must outlive them: when
// all are sent and gone, the next process still has to know under which names the
// series run that it continues.
const (
	markMagic   = "skymark\x00"
	markVersion = 1
	markHeader  = 32
	maxMarkFile = 64 << 20 // of what follows the header

	markName = "marks"
	newMarks = "marks.new"
)

// appendMarks encodes marks: the texts of names, each once, then the marks.
func appendMarks(dst []byte, list []*mark) []byte {
	number := make(map[string]int)
	var texts []string
	for _, m := range list {
		for _, id := range sortedIDs(m.names) {
			text := m.names[id].text
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
			dst = binary.AppendUvarint(dst, uint64(number[m.names[id].text]))
		}
	}
	return dst
}

func sortedIDs(names map[identityHash]*naming) []identityHash {
	return slices.SortedFunc(maps.Keys(names), func(a, b identityHash) int { return slices.Compare(a[:], b[:]) })
}

// foundMarks is what is in a mark file.
type foundMarks struct {
	list []*mark
	// problems are what could not be read or is not understood; lost: there is
	// nothing.
	problems []error
	lost     bool
}

// parseMarks reads marks. A text that is not understood is left out: to its
// endpoint the present configuration counts.
func parseMarks(b []byte) (found foundMarks, err error) {
	d := disk.Decoder{Rest: b}
	var texts []*naming
	for n := d.Count(); n > 0 && !d.Bad; n-- {
		parsed, err := parseNaming(d.String())
		if err != nil {
			found.problems = append(found.problems, err)
		}
		texts = append(texts, parsed)
	}
	for n := d.Count(); n > 0 && !d.Bad; n-- {
		m := &mark{from: d.Uvarint(), names: make(map[identityHash]*naming)}
		if len(found.list) > 0 && found.list[len(found.list)-1].from >= m.from {
			d.Bad = true
		}
		for n := d.Count(); n > 0 && !d.Bad; n-- {
			l := Label{d.String(), d.String()}
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
			if texts[i] != nil {
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
func identity(d *disk.Decoder) (id identityHash) {
	copy(id[:], d.Take(identityLen))
	return id
}

// markFile reads and writes marks. One goroutine uses it at a time.
type markFile struct {
	fs   disk.FS
	dir  string
	salt func() uint64
	// replace is store.replace.
	replace func(under, name string, content []byte) error

	saved uint64 // the version of the marks that is durable
}

// read returns what is in the file. Damage is no error, a newer format is.
func (f *markFile) read() (foundMarks, error) {
	found, err := f.readFile()
	switch {
	case err == nil:
		return found, nil
	case errors.Is(err, fs.ErrNotExist):
		return foundMarks{lost: true}, nil
	case errors.Is(err, disk.ErrNewer):
		return found, fmt.Errorf("log: %s: %w", filepath.Join(f.dir, markName), err)
	}
	return foundMarks{problems: []error{fmt.Errorf("%s: %w", markName, err)}, lost: true}, nil
}

func (f *markFile) readFile() (found foundMarks, err error) {
	file, err := f.fs.Open(filepath.Join(f.dir, markName))
	if err != nil {
		return found, err
	}
	defer func() { _ = file.Close() }() // it was read only
	payload, err := readMarkFile(file)
	if err != nil {
		return found, err
	}
	return parseMarks(payload)
}

// readMarkFile returns what follows a mark file's header.
func readMarkFile(r io.ReaderAt) ([]byte, error) {
	salt, err := disk.ReadHeader(r, markMagic, markVersion)
	if err != nil {
		return nil, err
	}
	var b [markHeader]byte
	if err := disk.ReadFull(r, b[:], 0); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(b[24:])
	if size > maxMarkFile {
		return nil, fmt.Errorf("header: %w", disk.ErrDamaged)
	}
	payload := make([]byte, size)
	if err := disk.ReadFull(r, payload, markHeader); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(b[28:]) != disk.Sum(salt, uint64(size), payload) {
		return nil, fmt.Errorf("checksum: %w", disk.ErrDamaged)
	}
	return payload, nil
}

// write makes marks durable. After an error those that were written before still
// are, or these.
func (f *markFile) write(list []*mark) error {
	salt, payload := f.salt(), appendMarks(nil, list)
	if len(payload) > maxMarkFile { // it could not be read; one mark alone can be so large
		return fmt.Errorf("log: marks of %d bytes are more than %d", len(payload), maxMarkFile)
	}
	b := disk.AppendHeader(nil, markMagic, markVersion, salt)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, disk.Sum(salt, uint64(len(payload)), payload))
	if err := f.replace(filepath.Join(f.dir, newMarks), filepath.Join(f.dir, markName), append(b, payload...)); err != nil {
		return fmt.Errorf("log: write marks: %w", err)
	}
	if err := f.fs.SyncDir(f.dir); err != nil {
		return fmt.Errorf("log: sync directory: %w", err)
	}
	return nil
}

// saveMarks makes the marks durable, where they are not. The caller holds
// appending, and writes a tick next.
func (l *Log) saveMarks() error {
	f := &l.store.marks
	l.mu.Lock()
	version, list := l.marks.version, slices.Clone(l.marks.list)
	l.mu.Unlock()
	if version == f.saved {
		return nil
	}
	if err := f.write(list); err != nil {
		return err
	}
	f.saved = version
	return nil
}
