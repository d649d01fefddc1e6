// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"net/netip"
	"strings"
)

// Who holds an address, from least to most telling; the most telling one gives
// the name (docs/how-to/names.md).
const (
	holderInterface = iota + 1 // HOST/NAME, where the address is set
	holderContainer            // its own name
	holderVM                   // libvirt's domain, else the VM's UUID
	holderPod                  // NAMESPACE/NAME
)

// claims are the holders of addresses.
type claims map[string]claim

type claim struct {
	holder int
	name   string // "": several of that kind hold it, under different names
}

// add notes that an address, with or without prefix length, is held. Addresses
// that mean another machine on every machine are nobody's.
func (c claims) add(address string, holder int, name string) {
	text, _, _ := strings.Cut(address, "/")
	a, err := netip.ParseAddr(text)
	if err != nil || name == "" || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return
	}
	key := a.Unmap().WithZone("").String()
	switch was := c[key]; {
	case was.holder < holder:
		c[key] = claim{holder, name}
	case was.holder == holder && was.name != name:
		c[key] = claim{holder, ""} // a wrong name is worse than none
	}
}

// names returns the names of those addresses that have one.
func (c claims) names() map[string]string {
	names := make(map[string]string, len(c))
	for address, claim := range c {
		if claim.name != "" {
			names[address] = fit(claim.name)
		}
	}
	return names
}

// holders says who holds which address.
func (g *topologyGraph) holders() claims {
	// A network namespace belongs to the containers that are in it.
	inside := map[string][]string{} // names of containers by the node above them
	for _, h := range g.nodes {
		if h.node.kind == "container" && h.parent != "" {
			inside[h.parent] = append(inside[h.parent], h.node.name)
		}
	}
	c := claims{}
	for _, h := range g.nodes {
		n := &h.node
		switch {
		case n.kind == "pod":
			// A pod on its machine's own network has no address of its own.
			if n.podIP != n.nodeIP {
				c.add(n.podIP, holderPod, n.namespace+"/"+n.name)
			}
		case n.kind == "container":
			c.add(n.containerIP, holderContainer, n.name)
		case n.tid != "":
			vm := n.domain
			if vm == "" {
				vm = n.vm
			}
			for _, a := range n.ports {
				c.add(a, holderVM, vm)
			}
			for _, list := range [][]string{n.ipv4, n.ipv6} {
				for _, a := range list {
					c.add(a, holderInterface, n.host+"/"+n.name)
					for _, name := range inside[h.parent] {
						c.add(a, holderContainer, name)
					}
				}
			}
		}
	}
	return c
}
