// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"net/netip"
	"strings"
)

// What holds an address, from least to most specific; the most specific one gives
// the name (docs/how-to/names.md).
const (
	holderInterface = iota + 1 // HOST/NAME, where the address is set
	holderContainer            // its own name
	holderVM                   // libvirt's domain, else the VM's UUID
	holderPod                  // NAMESPACE/NAME
)

// claims are the holders of addresses. What is known of an address is all that is
// claimed of it: one that has no room at its first claim has none later.
type claims struct {
	of    map[string]claim
	limit int // of addresses
	over  int // claims to addresses that there was no room for
	cut   int // addresses that were not even kept
}

type claim struct {
	holder int
	name   string // "": several of that kind hold it, under different names
}

// and returns what two claims to the same come to.
func (c claim) and(o claim) claim {
	switch {
	case c.holder < o.holder:
		return o
	case c.holder == o.holder && c.name != o.name:
		return claim{c.holder, ""} // a wrong name is worse than none
	}
	return c
}

// add notes that an address, with or without prefix length, is held. Addresses
// that mean another machine on every machine have no holder.
func (c *claims) add(address string, by claim) {
	text, _, _ := strings.Cut(address, "/")
	a, err := netip.ParseAddr(text)
	if err != nil || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return
	}
	key := a.Unmap().WithZone("").String()
	was, known := c.of[key]
	if !known && len(c.of) >= c.limit {
		c.over++
		return
	}
	c.of[key] = was.and(by)
}

// names returns the names of those addresses that have one.
func (c *claims) names() map[string]string {
	names := make(map[string]string, len(c.of))
	for address, claim := range c.of {
		if claim.name != "" {
			names[address] = claim.name
		}
	}
	return names
}

// containers says, by node, which containers are in it: a network namespace belongs
// to them. Several of them are one claim, for however many there are, an address in
// it has one name or none.
func (g *graph) containers() map[string]claim {
	inside := map[string]claim{}
	for _, h := range g.nodes {
		if n := h.node; n.kind == "container" && n.parent != "" && n.name != "" {
			inside[n.parent] = inside[n.parent].and(claim{holderContainer, n.name})
		}
	}
	return inside
}

// holders returns what holds which address, of as many addresses as there may be nodes.
func (g *graph) holders() *claims {
	inside := g.containers()
	c := &claims{of: map[string]claim{}, limit: g.limit}
	for _, h := range g.nodes {
		n := h.node
		c.cut += n.cut
		switch {
		case n.kind == "pod":
			// A pod on its machine's own network has no address of its own.
			if n.podIP != n.nodeIP {
				c.add(n.podIP, claim{holderPod, fit(n.namespace + "/" + n.name)})
			}
		case n.kind == "container":
			if n.name != "" {
				c.add(n.containerIP, claim{holderContainer, n.name})
			}
		case n.tid != "":
			if vm := cmp.Or(n.domain, n.vm); vm != "" {
				for _, a := range n.ports {
					c.add(a, claim{holderVM, vm})
				}
			}
			by := inside[n.parent]
			if by.holder == 0 {
				by = claim{holderInterface, fit(n.host + "/" + n.name)} // all its addresses share it
			}
			for _, list := range [][]string{n.ipv4, n.ipv6} {
				for _, a := range list {
					c.add(a, by)
				}
			}
		}
	}
	return c
}
