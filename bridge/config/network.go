// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/prometheus/common/model"
)

// maxNetworks bounds the prefixes that have names.
const maxNetworks = 100_000

// networks reads the networks with names, in the order of the file.
func (r *reader) networks(o *object, c *Aggregation) {
	names := o.child("networks")
	of, count := map[netip.Prefix]string{}, 0
	for _, name := range names.names() {
		if !labelValue(name) {
			r.fail(names.lineOf(name), "a name in aggregation.networks is empty, longer than 256 bytes or cannot be printed", "choose a short name: it becomes the label's value")
		}
		network := Network{Name: name}
		path, seen := names.label(name), set[netip.Prefix]{}
		for _, it := range names.texts(name) {
			p, ok := r.network(it, path, seen)
			if !ok {
				continue
			}
			network.Prefixes = append(network.Prefixes, p)
			if other, ok := of[p]; ok {
				r.fail(it.line, fmt.Sprintf("%s has %s, and so has the network %s", path, p, quoted(other)), "give each prefix one name; of those that overlap the longest wins")
			}
			of[p] = name
			count++
		}
		c.Networks = append(c.Networks, network)
	}
	if count > maxNetworks {
		r.fail(names.line, fmt.Sprintf("aggregation.networks has %d prefixes", count), fmt.Sprintf("name at most %d", maxNetworks))
	}
	if len(c.Networks) > 0 && !slices.Contains(c.Labels, "initiator_network") && !slices.Contains(c.Labels, "target_network") {
		r.warn(names.line, "aggregation.networks has no effect: neither initiator_network nor target_network is among the labels")
	}
	names.done()
}

// labelValue reports whether s can be the value of a label as it is.
func labelValue(s string) bool {
	return s != "" && len(s) <= 256 && printable(s) && model.LabelValue(s).IsValid()
}

// prefixes reads a list of networks, each once.
func (r *reader) prefixes(o *object, key string) (list []netip.Prefix) {
	seen := set[netip.Prefix]{}
	for _, it := range o.texts(key) {
		if p, ok := r.network(it, o.join(key), seen); ok {
			list = append(list, p)
		}
	}
	return list
}

// network reads a network, in its shortest form. It is not ok where it is none, or
// one of those seen in the list before.
func (r *reader) network(it item, path string, seen set[netip.Prefix]) (p netip.Prefix, ok bool) {
	p, err := netip.ParsePrefix(it.text)
	if err != nil {
		remedy := "write address/bits, such as 10.0.0.0/8 or fd00::/8"
		if a, err := netip.ParseAddr(it.text); err == nil && a.Zone() == "" {
			remedy = fmt.Sprintf("for this one address write %s/%d", a, a.BitLen())
		}
		r.fail(it.line, fmt.Sprintf("%s has %s, which is no network", path, quoted(it.text)), remedy)
		return p, false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if m := p.Masked(); m != p {
		r.warn(it.line, fmt.Sprintf("%s has %s, which is read as %s", path, p, m))
		p = m
	}
	if !seen.add(p) {
		r.warn(it.line, fmt.Sprintf("%s has %s twice", path, p))
		return p, false
	}
	return p, true
}
