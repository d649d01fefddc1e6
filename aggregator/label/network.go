// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Network is a name for the addresses of a prefix.
type Network struct {
	Name   string
	Prefix netip.Prefix
}

// ParseAddress parses an address as Skydive writes it; the zero Addr is none.
func ParseAddress(text []byte) netip.Addr {
	a, err := netip.ParseAddr(string(text))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

// PrefixTable maps prefixes to values. A lookup takes one step for each prefix length. The
// zero value is empty. Lookups may be concurrent, with each other only.
type PrefixTable[V any] struct {
	v4, v6 []level[V] // longest prefixes first
}

type level[V any] struct {
	bits   int
	values map[bits128]V
}

// bits128 are the bits of an address, the first ones on top: a faster key than a
// netip.Prefix.
type bits128 struct{ high, low uint64 }

func bitsOf(a netip.Addr) bits128 {
	if a.Is4() {
		b := a.As4()
		return bits128{high: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := a.As16()
	return bits128{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

// first returns the first n bits.
func (b bits128) first(n int) bits128 {
	if n <= 64 {
		return bits128{high: b.high & (^uint64(0) << (64 - n))}
	}
	return bits128{b.high, b.low & (^uint64(0) << (128 - n))}
}

// Add sets the value of a prefix.
func (t *PrefixTable[V]) Add(p netip.Prefix, value V) {
	levels := t.levels(p.Addr())
	i, found := slices.BinarySearchFunc(*levels, p.Bits(), func(l level[V], bits int) int { return bits - l.bits })
	if !found {
		*levels = slices.Insert(*levels, i, level[V]{p.Bits(), map[bits128]V{}})
	}
	(*levels)[i].values[bitsOf(p.Addr()).first(p.Bits())] = value
}

// Find returns the value of the longest prefix that contains the address. One with a zone is
// in none, as with netip.
func (t *PrefixTable[V]) Find(a netip.Addr) (value V, ok bool) {
	if !a.IsValid() || a.Zone() != "" {
		return value, false
	}
	all := bitsOf(a)
	for _, l := range *t.levels(a) {
		if value, ok = l.values[all.first(l.bits)]; ok {
			return value, true
		}
	}
	return value, false
}

func (t *PrefixTable[V]) levels(a netip.Addr) *[]level[V] {
	if a.Is4() {
		return &t.v4
	}
	return &t.v6
}
