// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/skydive-project/skybridge/disk"
)

// The cursor file says where each endpoint is, in two slots (docs/reference/files.md,
// [disk.Slots]).
const (
	cursorMagic   = "skybcur\x00"
	cursorVersion = 4 // 1 knew no condenses, 2 no refused series, 3 no remote-write version
	cursorName    = "cursors"
)

// Hash stands for what is long, or may hold a secret, as an endpoint's URL does.
type Hash [16]byte

// HashOf returns the hash of b, the same in each process.
func HashOf(b []byte) Hash {
	sum := sha256.Sum256(b)
	return Hash(sum[:len(Hash{})])
}

// Hashes is a set of hashes, one after the other.
type Hashes string

// cursorState is what of a cursor survives the process. Where the tick next has its
// zeros answered, begun is its time.
type cursorState struct {
	// next is the number of the tick that is held, or else to be taken next.
	next uint64
	// begun is the time of the last tick whose zeros all have their answer:
	// what started before it began at the receiver.
	begun int64
	// lost is the time of the last tick that was dropped, given up or condensed.
	lost int64
	// passed is what all ticks held that were dealt with, up to here; what a cursor
	// misses on disk is counted by it.
	passed totals

	// sent is the latest time of any sample that may have been sent; Never: not known.
	sent int64
	// step is how many groups of what is held, or was by the process before, have
	// their answer.
	step int
	// condensing is the last tick of the batch that begins at next, 0: there is none;
	// stamp is the time of the first group of that batch, or of the last one.
	condensing uint64
	stamp      int64
	// doubt: of ticks before that number it is not known which ones were sent.
	doubt uint64

	// hashes are what the endpoint keeps here for a process that begins with next, or
	// with what is held, before its taking; number is another thing that it keeps.
	hashes Hashes
	number uint64
}

// cursors is the content of a cursor file.
type cursors struct {
	// next and lastAt are the number after the log's last tick, and its time: no
	// tick that comes may have an earlier one, even if the last are lost.
	next   uint64
	lastAt int64
	total  totals
	states map[Hash]cursorState
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
		dst = binary.AppendUvarint(dst, s.condensing)
		dst = binary.AppendVarint(dst, s.stamp)
		dst = binary.AppendUvarint(dst, s.doubt)
		dst = binary.AppendUvarint(dst, uint64(len(s.hashes)/len(Hash{})))
		dst = append(dst, s.hashes...)
		dst = binary.AppendUvarint(dst, s.number)
	}
	return dst
}

func parseCursors(b []byte, version uint32) (*cursors, error) {
	d := disk.Decoder{Rest: b}
	c := &cursors{next: d.Uvarint(), lastAt: d.Varint(), states: make(map[Hash]cursorState)}
	c.total = totals{samples: d.Count(), stale: d.Count()}
	for n := d.Count(); n > 0 && !d.Bad; n-- {
		id := identity(&d)
		s := cursorState{next: d.Uvarint(), begun: d.Varint(), lost: d.Varint()}
		s.passed = totals{samples: d.Count(), stale: d.Count()}
		s.sent, s.stamp = Never, Never
		if version > 1 {
			s.sent, s.step, s.condensing, s.stamp, s.doubt = d.Varint(), d.Int(), d.Uvarint(), d.Varint(), d.Uvarint()
		}
		if version > 2 {
			s.hashes = Hashes(d.Take(uint64(d.Count()) * uint64(len(Hash{}))))
		}
		if version > 3 {
			s.number = d.Uvarint()
		}
		if s.step > CondenseSteps || s.sent > c.lastAt || s.stamp > c.lastAt || s.condensing >= max(c.next, 1) {
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

// readCursors returns the newest cursors in the cursor file, nil where there are none,
// and how many of its two copies are damaged. The error wraps disk.ErrNewer,
// disk.ErrDamaged where the whole file is, or is the disk's.
func (s *store) readCursors() (newest *cursors, damaged int, err error) {
	payloads, version, damaged, err := s.cursors.Read()
	for _, payload := range payloads {
		if c, err := parseCursors(payload, version); err == nil {
			return c, damaged, nil
		}
		damaged++
	}
	return nil, damaged, err
}

// identity reads an endpoint's hash.
func identity(d *disk.Decoder) (id Hash) {
	copy(id[:], d.Take(uint64(len(id))))
	return id
}
