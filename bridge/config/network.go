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
		path := names.label(name)
		for _, it := range names.texts(name) {
			before := len(network.Prefixes)
			r.network(it, path, &network.Prefixes)
			if len(network.Prefixes) == before {
				continue
			}
			p := network.Prefixes[before]
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

// network adds a network to a list, in its shortest form.
func (r *reader) network(it item, path string, list *[]netip.Prefix) {
	p, err := netip.ParsePrefix(it.text)
	if err != nil {
		remedy := "write address/bits, such as 10.0.0.0/8 or fd00::/8"
		if a, err := netip.ParseAddr(it.text); err == nil && a.Zone() == "" {
			remedy = fmt.Sprintf("for this one address write %s/%d", a, a.BitLen())
		}
		r.fail(it.line, fmt.Sprintf("%s has %s, which is no network", path, quoted(it.text)), remedy)
		return
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if m := p.Masked(); m != p {
		r.warn(it.line, fmt.Sprintf("%s has %s, which is read as %s", path, p, m))
		p = m
	}
	if slices.Contains(*list, p) {
		r.warn(it.line, fmt.Sprintf("%s has %s twice", path, p))
		return
	}
	*list = append(*list, p)
}
