// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"encoding/binary"
	"hash/maphash"
)

// index finds records of a slab by a key in the record. It stores only their numbers, so a
// million keys take 8 to 21 MB without pointers; a map with copies of the keys takes about
// three times as much, and two cache misses instead of one. Its parts grow one by one, so
// growing never takes long.
type index struct {
	seed  maphash.Seed // random, so that no feed can make keys collide
	parts [indexParts]indexPart
}

const (
	indexParts = 256
	leastSlots = 8
)

// indexPart is a hash table with linear probing. The number of slots is a power
// of two; at least a quarter of them is free.
type indexPart struct {
	slots []indexSlot
	used  int
}

// indexSlot is a record. The tag is half of its hash: only records with the same tag are
// compared, and growing reads none.
type indexSlot struct {
	tag uint32
	ref uint32 // the record's number and 1; 0: free
}

func newIndex() index { return index{seed: maphash.MakeSeed()} }

// hash returns the hash of a key.
func (x *index) hash(key []byte) uint64 { return maphash.Bytes(x.seed, key) }

// hashText is hash of a string.
func (x *index) hashText(key string) uint64 { return maphash.String(x.seed, key) }

// hashNumber is hash of two numbers.
func (x *index) hashNumber(n uint64, m uint32) uint64 {
	var key [12]byte
	binary.LittleEndian.PutUint64(key[:], n)
	binary.LittleEndian.PutUint32(key[8:], m)
	return maphash.Bytes(x.seed, key[:])
}

func (x *index) part(hash uint64) (p *indexPart, tag uint32) {
	return &x.parts[hash>>56], uint32(hash)
}

// find returns the record with that hash for which is returns true, or none.
func (x *index) find(hash uint64, is func(uint32) bool) uint32 {
	p, tag := x.part(hash)
	if p.used == 0 {
		return none
	}
	mask := uint32(len(p.slots) - 1)
	for at := tag & mask; ; at = (at + 1) & mask {
		switch s := p.slots[at]; {
		case s.ref == 0:
			return none
		case s.tag == tag && is(s.ref-1):
			return s.ref - 1
		}
	}
}

// add adds a record with a key that there is not yet.
func (x *index) add(hash uint64, i uint32) {
	p, tag := x.part(hash)
	if 4*(p.used+1) > 3*len(p.slots) {
		p.grow()
	}
	p.used++
	p.insert(indexSlot{tag, i + 1})
}

func (p *indexPart) grow() {
	former := p.slots
	p.slots = make([]indexSlot, max(2*len(former), leastSlots))
	for _, s := range former {
		if s.ref != 0 {
			p.insert(s)
		}
	}
}

// insert puts a slot into the first free place from its tag's on.
func (p *indexPart) insert(s indexSlot) {
	mask := uint32(len(p.slots) - 1)
	at := s.tag & mask
	for p.slots[at].ref != 0 {
		at = (at + 1) & mask
	}
	p.slots[at] = s
}

// remove takes out a record that was added with that hash.
func (x *index) remove(hash uint64, i uint32) {
	p, tag := x.part(hash)
	mask := uint32(len(p.slots) - 1)
	at := tag & mask
	for p.slots[at].ref != i+1 {
		at = (at + 1) & mask
	}
	p.used--
	// Those after it move up, unless that is before where their search begins.
	for next := (at + 1) & mask; p.slots[next].ref != 0; next = (next + 1) & mask {
		if home := p.slots[next].tag & mask; (next-home)&mask >= (next-at)&mask {
			p.slots[at] = p.slots[next]
			at = next
		}
	}
	p.slots[at] = indexSlot{}
}
