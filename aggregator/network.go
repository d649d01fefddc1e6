// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"net/netip"
	"slices"
)

// Network is a name for the addresses of a prefix.
type Network struct {
	Name   string
	Prefix netip.Prefix
}

// address reads an address as Skydive writes it; the zero Addr is none.
func address(text []byte) netip.Addr {
	a, err := netip.ParseAddr(string(text))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

// networks holds a value for each of some prefixes. A lookup costs one step for
// each length that occurs among them, however many there are.
type networks[V any] struct{ v4, v6 []level[V] } // longest prefixes first

type level[V any] struct {
	bits   int
	values map[netip.Prefix]V
}

// add sets the value of a prefix.
func (n *networks[V]) add(p netip.Prefix, value V) {
	p = p.Masked()
	levels := n.levels(p.Addr())
	i, found := slices.BinarySearchFunc(*levels, p.Bits(), func(l level[V], bits int) int { return bits - l.bits })
	if !found {
		*levels = slices.Insert(*levels, i, level[V]{p.Bits(), map[netip.Prefix]V{}})
	}
	(*levels)[i].values[p] = value
}

// find returns the value of the longest prefix that has the address.
func (n *networks[V]) find(a netip.Addr) (value V, ok bool) {
	for _, l := range *n.levels(a) {
		p, err := a.Prefix(l.bits)
		if err != nil {
			continue // no address
		}
		if value, ok = l.values[p]; ok {
			return value, true
		}
	}
	return value, false
}

func (n *networks[V]) levels(a netip.Addr) *[]level[V] {
	if a.Is4() {
		return &n.v4
	}
	return &n.v6
}
