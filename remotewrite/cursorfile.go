// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/skydive-project/skybridge/disk"
)

// The cursor file says where each endpoint is. It is described in
// docs/reference/files.md:
//
//	header:  magic[8] version u32 crc u32 salt u64 size of a slot u32 crc u32
//	2 slots: magic u32, size u32, generation u64, crc u32, cursors
//
// The slots are written in turn and in place: a full disk does not hinder that,
// and a write that is cut off leaves the other slot, which is one step older.
const (
	cursorMagic   = "skybcur\x00"
	cursorVersion = 4 // 1 knew no folds, 2 no refused series, 3 no remote-write version
	cursorHeader  = 32

	slotMagic  = 0x544f4c53 // "SLOT"
	slotHeader = 20
	minSlot    = 4 << 10
	maxSlot    = 64 << 20

	cursorName  = "cursors"
	newCursors  = "cursors.new"
	identityLen = 16
)

// identityHash stands for an endpoint in the file: its URL may hold a secret.
type identityHash [identityLen]byte

func hashIdentity(id string) identityHash {
	sum := sha256.Sum256([]byte(id))
	return identityHash(sum[:identityLen])
}

// cursorState is what of a cursor survives the process; see cursor for the
// fields. Where the tick next has its zeros answered, begun is its time.
type cursorState struct {
	next        uint64
	begun, lost int64
	passed      tallied

	sent    int64 // never: not known
	step    int
	folding uint64
	stamp   int64
	doubt   uint64

	refused *refusedSeries
	speaks  version
}

// cursors is the content of a cursor file.
type cursors struct {
	// next and lastAt are the number after the log's last tick, and its time: no
	// tick that comes may have an earlier one, even if the last are lost.
	next   uint64
	lastAt int64
	total  tallied
	states map[identityHash]cursorState
}

// appendCursors encodes c.
func appendCursors(dst []byte, c *cursors) []byte {
	dst = binary.AppendUvarint(dst, c.next)
	dst = binary.AppendVarint(dst, c.lastAt)
	dst = binary.AppendUvarint(dst, uint64(c.total.samples))
	dst = binary.AppendUvarint(dst, uint64(c.total.stale))
	dst = binary.AppendUvarint(dst, uint64(len(c.states)))
	for id, s := range c.states {
		dst = append(dst, id[:]...)
		dst = binary.AppendUvarint(dst, s.next)
		dst = binary.AppendVarint(dst, s.begun)
		dst = binary.AppendVarint(dst, s.lost)
		dst = binary.AppendUvarint(dst, uint64(s.passed.samples))
		dst = binary.AppendUvarint(dst, uint64(s.passed.stale))
		dst = binary.AppendVarint(dst, s.sent)
		dst = binary.AppendUvarint(dst, uint64(s.step))
		dst = binary.AppendUvarint(dst, s.folding)
		dst = binary.AppendVarint(dst, s.stamp)
		dst = binary.AppendUvarint(dst, s.doubt)
		dst = appendRefused(dst, s.refused)
		dst = binary.AppendUvarint(dst, uint64(s.speaks))
	}
	return dst
}

func parseCursors(b []byte, version uint32) (*cursors, error) {
	d := disk.Decoder{Rest: b}
	c := &cursors{next: d.Uvarint(), lastAt: d.Varint(), states: make(map[identityHash]cursorState)}
	c.total = tallied{samples: d.Count(), stale: d.Count()}
	for n := d.Count(); n > 0 && !d.Bad; n-- {
		id := identity(&d)
		s := cursorState{next: d.Uvarint(), begun: d.Varint(), lost: d.Varint()}
		s.passed = tallied{samples: d.Count(), stale: d.Count()}
		s.sent, s.stamp = never, never
		if version > 1 {
			s.sent, s.step, s.folding, s.stamp, s.doubt = d.Varint(), d.Int(), d.Uvarint(), d.Varint(), d.Uvarint()
		}
		if version > 2 {
			s.refused = parseRefused(&d)
		}
		if version > 3 {
			s.speaks = parseVersion(&d)
		}
		if s.step > foldSteps || s.sent > c.lastAt || s.stamp > c.lastAt || s.folding >= max(c.next, 1) {
			d.Bad = true
		}
		if s.next > c.next || s.begun > c.lastAt || s.lost > c.lastAt {
			d.Bad = true
		}
		c.states[id] = s
	}
	if d.Bad || len(d.Rest) > 0 {
		return nil, fmt.Errorf("cursors: %w", disk.ErrDamaged)
	}
	return c, nil
}

func parseVersion(d *disk.Decoder) version {
	v := d.Uvarint()
	d.Bad = d.Bad || v > uint64(version2)
	return version(v)
}

// readCursors returns the newest cursors in a file, nil where there are none, and
// how many slots are damaged. The error wraps disk.ErrNewer, disk.ErrDamaged where the whole
// file is, or is the disk's.
func readCursors(r io.ReaderAt) (newest *cursors, damaged int, err error) {
	salt, err := disk.ReadHeader(r, cursorMagic, cursorVersion)
	if err != nil {
		return nil, 0, err
	}
	var b [cursorHeader]byte
	if err := disk.ReadFull(r, b[:], 0); err != nil {
		return nil, 0, err
	}
	version := binary.LittleEndian.Uint32(b[8:])
	size := binary.LittleEndian.Uint32(b[24:])
	if disk.Checksum(b[:28]) != binary.LittleEndian.Uint32(b[28:]) || size < minSlot || size > maxSlot {
		return nil, 0, fmt.Errorf("header: %w", disk.ErrDamaged)
	}
	var best uint64
	slot := make([]byte, size)
	for i := range int64(2) {
		if err := disk.ReadFull(r, slot, cursorHeader+i*int64(size)); err != nil {
			if !errors.Is(err, disk.ErrDamaged) {
				return nil, damaged, err
			}
			damaged++
			continue
		}
		if !slices.ContainsFunc(slot[:slotHeader], func(c byte) bool { return c != 0 }) {
			continue // never written
		}
		generation := binary.LittleEndian.Uint64(slot[8:])
		c, err := parseSlot(slot, salt, version)
		if err != nil {
			damaged++
		} else if newest == nil || generation > best {
			newest, best = c, generation
		}
	}
	return newest, damaged, nil
}

func parseSlot(slot []byte, salt uint64, version uint32) (*cursors, error) {
	n := binary.LittleEndian.Uint32(slot[4:])
	if binary.LittleEndian.Uint32(slot) != slotMagic || int64(n) > int64(len(slot)-slotHeader) {
		return nil, fmt.Errorf("slot: %w", disk.ErrDamaged)
	}
	payload := slot[slotHeader : slotHeader+n]
	if disk.Sum(salt, binary.LittleEndian.Uint64(slot[8:]), payload) != binary.LittleEndian.Uint32(slot[16:]) {
		return nil, fmt.Errorf("slot: checksum: %w", disk.ErrDamaged)
	}
	return parseCursors(payload, version)
}

// cursorFile writes cursors. One goroutine uses it at a time.
type cursorFile struct {
	fs   disk.FS
	dir  string
	salt func() uint64
	sync func(disk.File) error

	file       disk.File // nil: to be made anew
	slot       int
	salted     uint64
	generation uint64 // of the last that is durable
	buf        []byte
}

// write makes c durable. After an error the last that was written still is, or
// this one; it must be called again before anything relies on it.
func (f *cursorFile) write(c *cursors) error {
	need := slotHeader + len(appendCursors(nil, c))
	if need > maxSlot {
		return fmt.Errorf("log: cursors of %d bytes are more than %d", need, maxSlot)
	}
	if f.file != nil && need > f.slot {
		f.abandon()
	}
	if f.file == nil {
		return f.create(c, need)
	}
	// The slot whose turn it is stays the same until a write succeeds.
	next := f.generation + 1
	f.buf = f.appendSlot(f.buf[:0], c, next)
	if _, err := f.file.WriteAt(f.buf, cursorHeader+int64(next%2)*int64(f.slot)); err != nil {
		return fmt.Errorf("log: write cursors: %w", err)
	}
	if err := f.sync(f.file); err != nil {
		return fmt.Errorf("log: sync cursors: %w", err)
	}
	f.generation = next
	// A file that is gone takes every write, and the next process would not find it.
	if disk.Gone(f.fs, filepath.Join(f.dir, cursorName), cursorHeader+2*int64(f.slot)) != nil {
		f.abandon()
		return f.create(c, need)
	}
	return nil
}

func (f *cursorFile) appendSlot(dst []byte, c *cursors, generation uint64) []byte {
	begin := len(dst)
	dst = append(dst, make([]byte, slotHeader)...)
	dst = appendCursors(dst, c)
	head, payload := dst[begin:begin+slotHeader], dst[begin+slotHeader:]
	binary.LittleEndian.PutUint32(head, slotMagic)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(head[8:], generation)
	binary.LittleEndian.PutUint32(head[16:], disk.Sum(f.salted, generation, payload))
	return dst
}

// create makes a file with room for twice what is needed, under another name
// first, so that at no time there is none.
func (f *cursorFile) create(c *cursors, need int) (err error) {
	if err := disk.MakeDir(f.fs, f.dir); err != nil {
		return fmt.Errorf("log: make directory: %w", err)
	}
	name := filepath.Join(f.dir, newCursors)
	_ = f.fs.Remove(name) // of an attempt that failed
	file, err := f.fs.Create(name)
	if err != nil {
		return fmt.Errorf("log: create cursors: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	f.slot, f.salted = min(max(minSlot, 2*need), maxSlot), f.salt()
	b := disk.AppendHeader(nil, cursorMagic, cursorVersion, f.salted)
	b = binary.LittleEndian.AppendUint32(b, uint32(f.slot))
	b = binary.LittleEndian.AppendUint32(b, disk.Checksum(b))
	b = append(b, make([]byte, 2*f.slot)...)
	// The first generation is even, for the first slot, and above any before.
	generation := (f.generation + 2) &^ 1
	copy(b[cursorHeader:], f.appendSlot(nil, c, generation))
	if _, err := file.WriteAt(b, 0); err != nil {
		return fmt.Errorf("log: write new cursors: %w", err)
	}
	if err := f.sync(file); err != nil {
		return fmt.Errorf("log: sync new cursors: %w", err)
	}
	if err := f.fs.Rename(name, filepath.Join(f.dir, cursorName)); err != nil {
		return fmt.Errorf("log: rename new cursors: %w", err)
	}
	if err := f.fs.SyncDir(f.dir); err != nil {
		return fmt.Errorf("log: sync directory: %w", err)
	}
	f.file, f.generation = file, generation
	return nil
}

// abandon leaves the file as it is; the next write makes another.
func (f *cursorFile) abandon() {
	if f.file != nil {
		_ = f.file.Close() // what counts was synced
		f.file = nil
	}
}
