// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "net/netip"

// Class says how a flow lies to the operator's cluster networks, from its
// initiator's side.
type Class string

// The classes, by the names that the old connector gave them.
const (
	Ingress  Class = "ingress"  // from outside to a cluster network
	Egress   Class = "egress"   // from a cluster network to outside
	Internal Class = "internal" // between cluster networks
	Other    Class = "other"    // neither end, or an address that is none
)

// classifier tells the class of a flow.
type classifier struct{ cluster []netip.Prefix }

// class returns the class of a flow between two addresses. One that is no
// address makes it Other, as with the old connector.
func (c classifier) class(a, b []byte) Class {
	if len(c.cluster) == 0 {
		return Other
	}
	fromCluster, ok := c.contains(a)
	if !ok {
		return Other
	}
	toCluster, ok := c.contains(b)
	if !ok {
		return Other
	}
	switch {
	case fromCluster && toCluster:
		return Internal
	case fromCluster:
		return Egress
	case toCluster:
		return Ingress
	default:
		return Other
	}
}

func (c classifier) contains(text []byte) (inside, ok bool) {
	addr, err := netip.ParseAddr(string(text))
	if err != nil {
		return false, false
	}
	addr = addr.Unmap()
	for _, p := range c.cluster {
		if p.Contains(addr) {
			return true, true
		}
	}
	return false, true
}
