// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

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

// Classifier decides the class of a flow. It is immutable.
type Classifier struct{ cluster PrefixTable[struct{}] }

// NewClassifier returns the classifier of some cluster networks.
func NewClassifier(cluster []netip.Prefix) *Classifier {
	c := &Classifier{}
	for _, p := range cluster {
		c.cluster.Add(p, struct{}{})
	}
	return c
}

// Class returns the class of a flow between two addresses; [Other] where one is invalid, as
// with the old connector.
func (c *Classifier) Class(a, b netip.Addr) Class {
	if !a.IsValid() || !b.IsValid() {
		return Other
	}
	_, fromCluster := c.cluster.Find(a)
	_, toCluster := c.cluster.Find(b)
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
