// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// Slots is a small file that is written often:
//
//	header:  magic[8] version u32 crc u32 salt u64 size of a slot u32 crc u32
//	2 slots: magic u32, size u32, generation u64, crc u32, payload
//
// The slots are written in turn and in place: a full disk does not hinder that,
// and a write that is cut off leaves the other slot, which is one step older. One
// goroutine uses it at a time.
type Slots struct {
	fs          FS
	name, magic string
	version     uint32

	file       File // nil: to be made
	slot       int  // size of a slot
	salt       uint64
	generation uint64 // of the last that is durable
	buf        []byte
}

const (
	slotsHeader = HeaderSize + 8
	slotMagic   = 0x544f4c53 // "SLOT"
	slotHeader  = 20
	minSlot     = 4 << 10
	maxSlot     = 64 << 20
)

// NewSlots returns the file of that name, for writing; the first write replaces a
// former one.
func NewSlots(system FS, name, magic string, version uint32) *Slots {
	return &Slots{fs: system, name: name, magic: magic, version: version}
}

// Read returns the payloads that are in the file, the newest first, with the file's
// version, and how many slots are damaged. The error wraps ErrNewer, ErrDamaged where
// the whole file is, or is the disk's.
func (s *Slots) Read() (payloads [][]byte, version uint32, damaged int, err error) {
	f, err := s.fs.Open(s.name)
	if err != nil {
		return nil, 0, 0, err
	}
	defer func() { _ = f.Close() }() // it was read only
	salt, err := ReadHeader(f, s.magic, s.version)
	if err != nil {
		return nil, 0, 0, err
	}
	var b [slotsHeader]byte
	if err := ReadFull(f, b[:], 0); err != nil {
		return nil, 0, 0, err
	}
	size := binary.LittleEndian.Uint32(b[24:])
	if Checksum(b[:28]) != binary.LittleEndian.Uint32(b[28:]) || size < minSlot || size > maxSlot {
		return nil, 0, 0, fmt.Errorf("header: %w", ErrDamaged)
	}
	var newest uint64
	for i := range int64(2) {
		slot := make([]byte, size)
		if err := ReadFull(f, slot, slotsHeader+i*int64(size)); err != nil {
			if !errors.Is(err, ErrDamaged) {
				return nil, 0, damaged, err
			}
			damaged++
			continue
		}
		if !slices.ContainsFunc(slot[:slotHeader], func(c byte) bool { return c != 0 }) {
			continue // never written
		}
		payload, generation, ok := parseSlot(slot, salt)
		switch {
		case !ok:
			damaged++
		case generation > newest:
			newest, payloads = generation, slices.Insert(payloads, 0, payload)
		default:
			payloads = append(payloads, payload)
		}
	}
	return payloads, binary.LittleEndian.Uint32(b[8:]), damaged, nil
}

func parseSlot(slot []byte, salt uint64) (payload []byte, generation uint64, ok bool) {
	n := binary.LittleEndian.Uint32(slot[4:])
	generation = binary.LittleEndian.Uint64(slot[8:])
	if binary.LittleEndian.Uint32(slot) != slotMagic || int64(n) > int64(len(slot)-slotHeader) {
		return nil, 0, false
	}
	payload = slot[slotHeader : slotHeader+n]
	return payload, generation, Sum(salt, generation, payload) == binary.LittleEndian.Uint32(slot[16:])
}

// Write makes payload durable. After an error the last that was written still is,
// or this one; it must be called again before anything relies on it.
func (s *Slots) Write(payload []byte) error {
	need := slotHeader + len(payload)
	if need > maxSlot {
		return fmt.Errorf("%s: %d bytes are more than %d", s.name, need, maxSlot)
	}
	if s.file != nil && need > s.slot {
		s.Close()
	}
	if s.file == nil {
		return s.create(payload)
	}
	// The slot whose turn it is stays the same until a write succeeds.
	next := s.generation + 1
	s.buf = s.appendSlot(s.buf[:0], payload, next)
	if _, err := s.file.WriteAt(s.buf, slotsHeader+int64(next%2)*int64(s.slot)); err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	s.generation = next
	// A file that is gone takes every write, and the next process would not find it.
	if Gone(s.fs, s.name, slotsHeader+2*int64(s.slot)) != nil {
		s.Close()
		return s.create(payload)
	}
	return nil
}

func (s *Slots) appendSlot(dst, payload []byte, generation uint64) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, slotMagic)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint64(dst, generation)
	dst = binary.LittleEndian.AppendUint32(dst, Sum(s.salt, generation, payload))
	return append(dst, payload...)
}

// create makes a file with room for twice what is needed.
func (s *Slots) create(payload []byte) error {
	if err := MakeDir(s.fs, filepath.Dir(s.name)); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	s.slot, s.salt = min(max(minSlot, 2*(slotHeader+len(payload))), maxSlot), rand.Uint64()
	b := AppendHeader(nil, s.magic, s.version, s.salt)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.slot))
	b = binary.LittleEndian.AppendUint32(b, Checksum(b))
	b = append(b, make([]byte, 2*s.slot)...)
	// The first generation is even, for the first slot, and above any before.
	generation := (s.generation + 2) &^ 1
	copy(b[slotsHeader:], s.appendSlot(nil, payload, generation))
	f, err := Swap(s.fs, s.name, b)
	if err != nil {
		return fmt.Errorf("replace %s: %w", s.name, err)
	}
	if err := s.fs.SyncDir(filepath.Dir(s.name)); err != nil {
		return errors.Join(fmt.Errorf("sync directory: %w", err), f.Close())
	}
	s.file, s.generation = f, generation
	return nil
}

// Close leaves the file as it is; a later write makes another.
func (s *Slots) Close() {
	if s.file != nil {
		_ = s.file.Close() // what counts was synced
		s.file = nil
	}
}
