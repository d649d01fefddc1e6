// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"encoding/binary"

	"github.com/skydive-project/skybridge/disk"
)

// coder walks over fields in one of two directions: its methods append a value, or read it and
// set what they are given. So there is one description of what is written and read.
type coder struct {
	encoding bool
	out      []byte       // of what is encoded
	in       disk.Decoder // of what is decoded
}

// require makes what is decoded a damaged one unless ok.
func (c *coder) require(ok bool) { c.in.Bad = c.in.Bad || !c.encoding && !ok }

// unsigned walks over numbers that are small or never negative.
func unsigned[T ~uint8 | ~uint32 | ~uint64 | ~uint](c *coder, all ...*T) {
	for _, v := range all {
		if c.encoding {
			c.out = binary.AppendUvarint(c.out, uint64(*v))
			continue
		}
		n := c.in.Uvarint()
		*v = T(n)
		c.require(uint64(*v) == n)
	}
}

// signed walks over numbers that may be negative.
func signed[T ~int | ~int64](c *coder, all ...*T) {
	for _, v := range all {
		if c.encoding {
			c.out = binary.AppendVarint(c.out, int64(*v))
			continue
		}
		n := c.in.Varint()
		*v = T(n)
		c.require(int64(*v) == n)
	}
}

// hash walks over a number all of whose bits are used: 8 bytes.
func hash[T ~uint64](c *coder, v *T) {
	if c.encoding {
		c.out = binary.LittleEndian.AppendUint64(c.out, uint64(*v))
		return
	}
	*v = T(c.in.Uint64())
}

func (c *coder) key(v *conversationKey) {
	if c.encoding {
		c.out = append(c.out, v[:]...)
		return
	}
	copy(v[:], c.in.Take(uint64(len(v))))
}

// flags walks over at most 8 flags: a byte, the first one in the lowest bit.
func (c *coder) flags(all ...*bool) {
	bits := byte(0)
	if !c.encoding {
		bits = c.in.Byte()
		if c.require(int(bits) < 1<<len(all)); c.in.Bad {
			bits = 0
		}
	}
	for i, v := range all {
		if c.encoding && *v {
			bits |= 1 << i
		}
		*v = bits&(1<<i) != 0
	}
	if c.encoding {
		c.out = append(c.out, bits)
	}
}

func (c *coder) text(v *string) {
	if c.encoding {
		c.out = disk.AppendString(c.out, *v)
		return
	}
	*v = c.in.String()
}

func (c *coder) counts(all ...*counts) {
	for _, v := range all {
		unsigned(c, &v.bytes[0], &v.bytes[1], &v.packets[0], &v.packets[1])
	}
}

// since walks over counts as their difference to former ones, which mostly is 0.
func (c *coder) since(former, v *counts) {
	for i := range v.bytes {
		for _, n := range [...][2]*uint64{{&former.bytes[i], &v.bytes[i]}, {&former.packets[i], &v.packets[i]}} {
			more := int64(*n[1] - *n[0])
			if signed(c, &more); !c.encoding {
				*n[1] = *n[0] + uint64(more)
			}
		}
	}
}

// link walks over the index of another record than i, or none, as the difference to i.
func (c *coder) link(i uint32, to *uint32) {
	ahead := int64(0)
	if *to != none {
		ahead = int64(*to) - int64(i)
	}
	signed(c, &ahead)
	if c.encoding {
		return
	}
	if *to = none; ahead != 0 {
		*to = uint32(int64(i) + ahead)
		c.require(int64(*to) == int64(i)+ahead)
	}
}

// list walks over a slice. What is decoded takes at most as many turns as there are bytes.
func list[T any](c *coder, all *[]T, walk func(*T)) {
	n := uint64(len(*all))
	unsigned(c, &n)
	if c.encoding {
		for i := range *all {
			walk(&(*all)[i])
		}
		return
	}
	for *all = nil; n > 0 && !c.in.Bad; n-- {
		var v T
		walk(&v)
		*all = append(*all, v)
	}
}

// bitset is a set of small numbers.
type bitset []uint64

func (b *bitset) has(i uint32) bool { return int(i/64) < len(*b) && (*b)[i/64]&(1<<(i%64)) != 0 }

// add adds a number, and reports whether it is a new one.
func (b *bitset) add(i uint32) bool {
	if b.has(i) {
		return false
	}
	*b = append(*b, make([]uint64, max(0, int(i/64)+1-len(*b)))...)
	(*b)[i/64] |= 1 << (i % 64)
	return true
}
