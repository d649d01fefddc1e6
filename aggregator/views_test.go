// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"net/netip"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/internal/reference"
)

// modelled are the labels that the reference knows: all but names, which change.
func modelled() []string {
	return append(label.Default(), "application", "capture_id", "initiator_network", "target_network", "flow_class", "vlan", "vni")
}

// drawView draws what a connection is called and what is excluded, as
// configuration and for the reference. The prefixes and ports are those of scripted
// feeds and of crossings.
func drawView(r *rapid.T, name string) (cfg Config, v reference.View) {
	cfg.Labels = rapid.SliceOfNDistinct(rapid.SampledFrom(modelled()), 1, -1, rapid.ID[string]).Draw(r, name+" labels")
	cfg.Ports = rapid.SampledFrom([]label.Ports{"", label.KeepPorts, label.DropPorts, label.ServicePorts}).Draw(r, name+" ports")
	if _, err := (&label.Config{Labels: cfg.Labels, Ports: label.DropPorts}).Layout(); err != nil {
		cfg.Labels = append(cfg.Labels, "protocol") // or drop leaves none
	}
	v = reference.View{
		Labels: cfg.Labels, Ports: string(cfg.Ports), Networks: map[string]string{},
		Services: map[string]bool{"TCP/80": true, "TCP/4000": true, "TCP/443": true, "UDP/443": true, "UDP/53": true, "TCP/53": true, "SCTP/443": true, "SCTP/3868": true, "TCP/3868": true, "UDP/3868": true},
	}
	if rapid.Bool().Draw(r, name+" own services") {
		cfg.ServicePorts = []label.PortRange{{Protocol: "TCP", First: 32770, Last: 32771}}
		v.Services["TCP/32770"], v.Services["TCP/32771"] = true, true
	}
	cidrs := []string{"10.0.0.0/8", "10.77.0.0/24", "10.77.0.7/32", "10.99.0.0/16", "10.0.0.2/32", "0.0.0.0/0", "fd77::/16", "fd77::6/128", "::/0"}
	some := func(what string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(cidrs), 0, 4, rapid.ID[string]).Draw(r, name+" "+what)
	}
	for _, cidr := range some("networks") {
		v.Networks[cidr] = rapid.SampledFrom([]string{"one", "two"}).Draw(r, name+" network's name")
		cfg.Networks = append(cfg.Networks, label.Network{Name: v.Networks[cidr], Prefix: netip.MustParsePrefix(cidr)})
	}
	v.Cluster = some("cluster")
	cfg.ClusterNetworks = prefixes(v.Cluster...)
	cfg.Observers = rapid.SampledFrom([]Observers{"", ObserversAll, ObserversOne, ObserversOne}).Draw(r, name+" observers")
	cfg.Tunnels = rapid.SampledFrom([]Tunnels{"", TunnelsBoth, TunnelsInner, TunnelsOuter}).Draw(r, name+" tunnels")
	cfg.Portless = rapid.SampledFrom([]Portless{"", PortlessSkip, PortlessCount}).Draw(r, name+" portless")
	v.Tunnels, v.Portless = string(cfg.Tunnels), string(cfg.Portless)
	return cfg, v
}

// points is how many capture points a script has that these configurations are
// judged by. What several of a script see differs, so with one connection for all of
// them there must be a single one; crossing_test.go has connections that several see.
func points(all ...Config) int {
	for _, cfg := range all {
		if cfg.scope() == byTuple {
			return 1
		}
	}
	return 2
}

// drawExcludes draws filters.
func drawExcludes(r *rapid.T, cfg *Config, v *reference.View) {
	some := func(what string, from ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, 2, rapid.ID[string]).Draw(r, "excluded "+what)
	}
	v.ExcludeClasses = some("classes", "internal", "egress", "ingress", "other")
	v.ExcludeNetworks = some("networks", "10.77.0.0/30", "10.77.0.8/29", "fd77::/124", "192.0.2.0/24")
	v.ExcludeProtocols = some("protocols", "UDP", "SCTP", "GRE")
	v.ExcludeApplications = some("applications", "DNS", "SCTP")
	for _, c := range v.ExcludeClasses {
		cfg.ExcludeClasses = append(cfg.ExcludeClasses, label.Class(c))
	}
	cfg.ExcludeNetworks = prefixes(v.ExcludeNetworks...)
	cfg.ExcludeProtocols, cfg.ExcludeApplications = v.ExcludeProtocols, v.ExcludeApplications
}

// grouped adds series up by some of their labels.
func grouped(series map[string]uint64, labels []string) map[string]uint64 {
	sums := map[string]uint64{}
	for name, n := range series {
		metric, rest, _ := strings.Cut(name, "{")
		var kept []string
		for pair := range strings.SplitSeq(strings.TrimSuffix(rest, "}"), ",") {
			if label, _, _ := strings.Cut(pair, "="); slices.Contains(labels, label) {
				kept = append(kept, pair)
			}
		}
		sums[metric+"{"+strings.Join(kept, ",")+"}"] += n
	}
	return sums
}
