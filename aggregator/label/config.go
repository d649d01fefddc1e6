// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Config is what the operator chooses of labels.
type Config struct {
	// Labels of a connection, a subset of [All].
	Labels []string
	// Ports is the policy for port labels; ServicePorts are beside the well-known ones.
	Ports        Ports
	ServicePorts []PortRange
	// Networks gives initiator_network and target_network; the longest prefix wins.
	Networks []Network
	// ClusterNetworks decide the [Class] of a flow.
	ClusterNetworks []netip.Prefix
	// MaxNames bounds the names of nodes and those of addresses, for node_name, host,
	// node_type, initiator_name and target_name; 0: no bound.
	MaxNames int
}

// Layout returns the layout of connections. Its policy is a hash of the settings that the
// values of its labels depend on, or "" where there are none; names are not part of it, for
// they change with the topology. It is an error if there are no such labels (see [NewLayout])
// or no such policy for ports.
func (c *Config) Layout() (*Layout, error) {
	names := c.Labels
	switch c.Ports {
	case "", KeepPorts, ServicePorts:
	case DropPorts:
		ports := OfPorts()
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(ports, name) })
	default:
		return nil, fmt.Errorf("label: unknown policy %q for ports: use keep, drop or service", c.Ports)
	}
	layout, err := NewLayout(names)
	if err != nil {
		return nil, err
	}
	layout.Policy = c.policy(layout.Names)
	return layout, nil
}

// policy is that of a layout with these labels.
func (c *Config) policy(names []string) string {
	var parts []string
	if c.Ports == ServicePorts && anyOf(ofPort, names) {
		for _, r := range c.ServicePorts {
			parts = append(parts, fmt.Sprintf("service %s %d-%d", r.Protocol, r.First, r.Last))
		}
		parts = append(parts, "ports service")
	}
	if anyOf(ofNetwork, names) {
		for _, n := range c.Networks {
			parts = append(parts, fmt.Sprintf("network %q %s", n.Name, n.Prefix))
		}
	}
	if anyOf(ofClass, names) {
		for _, p := range c.ClusterNetworks {
			parts = append(parts, "cluster "+p.String())
		}
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts) // the order of lists means nothing
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:16])
}
