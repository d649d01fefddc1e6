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
	maxMarkFile = 64 << 20

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
		dst = appendString(dst, text)
	}
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, m := range list {
		dst = binary.AppendUvarint(dst, m.from)
		dst = binary.AppendUvarint(dst, uint64(len(m.external)))
		for _, l := range m.external {
			dst = appendString(appendString(dst, l.Name), l.Value)
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

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
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
	d := decoder{rest: b}
	var texts []*naming
	for n := d.count(); n > 0 && !d.bad; n-- {
		parsed, err := parseNaming(d.string())
		if err != nil {
			found.problems = append(found.problems, err)
		}
		texts = append(texts, parsed)
	}
	for n := d.count(); n > 0 && !d.bad; n-- {
		m := &mark{from: d.uvarint(), names: make(map[identityHash]*naming)}
		if len(found.list) > 0 && found.list[len(found.list)-1].from >= m.from {
			d.bad = true
		}
		for n := d.count(); n > 0 && !d.bad; n-- {
			l := Label{d.string(), d.string()}
			if k := len(m.external); l.Name == "" || (k > 0 && m.external[k-1].Name >= l.Name) || !utf8.ValidString(l.Name+l.Value) {
				d.bad = true // a tick relies on the order
			}
			m.external = append(m.external, l)
		}
		for n := d.count(); n > 0 && !d.bad; n-- {
			id := d.identity()
			i := d.count()
			if i >= int64(len(texts)) {
				d.bad = true
				break
			}
			if texts[i] != nil {
				m.names[id] = texts[i]
			}
		}
		found.list = append(found.list, m)
	}
	if d.bad || len(d.rest) > 0 {
		return foundMarks{}, fmt.Errorf("marks: %w", errDamaged)
	}
	return found, nil
}

// string reads a string after its length.
func (d *decoder) string() string {
	n := d.count()
	if n > int64(len(d.rest)) {
		d.bad = true
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

// identity reads an endpoint's hash.
func (d *decoder) identity() (id identityHash) {
	if len(d.rest) < identityLen {
		d.bad = true
		return id
	}
	id, d.rest = identityHash(d.rest), d.rest[identityLen:]
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
	case errors.Is(err, errNewer):
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
	salt, err := readSegmentHeader(r, markMagic, markVersion)
	if err != nil {
		return nil, err
	}
	var b [markHeader]byte
	if err := readFull(r, b[:], 0); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(b[24:])
	if size > maxMarkFile {
		return nil, fmt.Errorf("header: %w", errDamaged)
	}
	payload := make([]byte, size)
	if err := readFull(r, payload, markHeader); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(b[28:]) != slotSum(salt, uint64(size), payload) {
		return nil, fmt.Errorf("checksum: %w", errDamaged)
	}
	return payload, nil
}

// write makes marks durable. After an error those that were written before still
// are, or these.
func (f *markFile) write(list []*mark) error {
	salt, payload := f.salt(), appendMarks(nil, list)
	b := appendSegmentHeader(nil, markMagic, markVersion, salt)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, slotSum(salt, uint64(len(payload)), payload))
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
