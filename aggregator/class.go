// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "net/netip"

// Class is the direction of a flow relative to the operator's cluster networks, from its
// initiator's side.
type Class string

// The classes, with the old connector's names.
const (
	Ingress  Class = "ingress"  // from outside to a cluster network
	Egress   Class = "egress"   // from a cluster network to outside
	Internal Class = "internal" // between cluster networks
	Other    Class = "other"    // neither end, or an invalid address
)

// Classes returns all classes.
func Classes() []Class { return []Class{Ingress, Egress, Internal, Other} }

// classifier decides the class of a flow.
type classifier struct{ cluster networks[struct{}] }

func newClassifier(cluster []netip.Prefix) (c classifier) {
	for _, p := range cluster {
		c.cluster.add(p, struct{}{})
	}
	return c
}

// class returns the class of a flow between two addresses; Other where one is invalid, as
// with the old connector.
func (c *classifier) class(a, b netip.Addr) Class {
	if !a.IsValid() || !b.IsValid() {
		return Other
	}
	_, fromCluster := c.cluster.find(a)
	_, toCluster := c.cluster.find(b)
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
