// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// chosenLabels returns the label names of connections.
func chosenLabels(cfg Config) []string {
	if cfg.Ports != DropPorts {
		return cfg.Labels
	}
	ports := PortLabels()
	return slices.DeleteFunc(slices.Clone(cfg.Labels), func(name string) bool { return slices.Contains(ports, name) })
}

// layoutOf returns the layout of connections.
func layoutOf(cfg Config) (*Layout, error) {
	switch cfg.Ports {
	case "", KeepPorts, DropPorts, ServicePorts:
	default:
		return nil, fmt.Errorf("aggregator: unknown policy %q for ports: use keep, drop or service", cfg.Ports)
	}
	layout, err := newLayout(chosenLabels(cfg))
	if err != nil {
		return nil, err
	}
	layout.policy = policyOf(cfg, layout.Names)
	return layout, nil
}

// policyOf returns a hash of the settings that these labels' values depend on, or "" where
// there are none. Names are not part of it, for they change with the topology.
func policyOf(cfg Config, names []string) string {
	var parts []string
	if cfg.Ports == ServicePorts && anyOf(ofPort, names) {
		for _, r := range cfg.ServicePorts {
			parts = append(parts, fmt.Sprintf("service %s %d-%d", r.Protocol, r.First, r.Last))
		}
		parts = append(parts, "ports service")
	}
	if anyOf(ofNetwork, names) {
		for _, n := range cfg.Networks {
			parts = append(parts, fmt.Sprintf("network %q %s", n.Name, n.Prefix))
		}
	}
	if anyOf(ofClass, names) {
		for _, p := range cfg.ClusterNetworks {
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

// Renames reports whether a configuration gives connections other labels or other values than
// they have now, or than a former process gave them after [Aggregator.OpenState]: then all
// series have to end ([Aggregator.EndAll]) before [Aggregator.Configure]. It is false for an
// invalid configuration.
func (a *Aggregator) Renames(cfg Config) bool {
	layout, err := layoutOf(cfg)
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return !layout.same(a.connections.layout)
}

// same reports whether two layouts give a flow the same labels.
func (l *Layout) same(o *Layout) bool {
	return l.policy == o.policy && slices.Equal(l.Names, o.Names)
}
