// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// modelled are the labels that the reference knows: all but names, which change.
func modelled() []string {
	return append(DefaultLabels(), "application", "capture_id", "initiator_network", "target_network", "flow_class", "vlan", "vni")
}

// isPort says whether a label is a port.
func isPort(name string) bool { return slices.Contains(labelsOf(ofPort), name) }

// drawView draws what a connection is called and what is excluded, as
// configuration and for the reference. The prefixes and ports are those of scripted
// feeds and of crossings.
func drawView(r *rapid.T, name string) (cfg Config, v reference.View) {
	cfg.Labels = rapid.SliceOfNDistinct(rapid.SampledFrom(modelled()), 1, -1, rapid.ID[string]).Draw(r, name+" labels")
	cfg.Ports = rapid.SampledFrom([]PortPolicy{"", KeepPorts, DropPorts, ServicePorts}).Draw(r, name+" ports")
	if len(chosenLabels(Config{Labels: cfg.Labels, Ports: DropPorts})) == 0 {
		cfg.Labels = append(cfg.Labels, labelProtocol) // or drop leaves none
	}
	v = reference.View{
		Labels: cfg.Labels, Ports: string(cfg.Ports), Networks: map[string]string{},
		Services: map[string]bool{"TCP/80": true, "TCP/4000": true, "TCP/443": true, "UDP/443": true, "UDP/53": true, "TCP/53": true, "SCTP/443": true, "SCTP/3868": true, "TCP/3868": true, "UDP/3868": true},
	}
	if rapid.Bool().Draw(r, name+" own services") {
		cfg.ServicePorts = []PortRange{{"TCP", 32770, 32771}}
		v.Services["TCP/32770"], v.Services["TCP/32771"] = true, true
	}
	cidrs := []string{"10.0.0.0/8", "10.77.0.0/24", "10.77.0.7/32", "10.99.0.0/16", "10.0.0.2/32", "0.0.0.0/0", "fd77::/16", "fd77::6/128", "::/0"}
	some := func(what string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(cidrs), 0, 4, rapid.ID[string]).Draw(r, name+" "+what)
	}
	for _, cidr := range some("networks") {
		v.Networks[cidr] = rapid.SampledFrom([]string{"one", "two"}).Draw(r, name+" network's name")
		cfg.Networks = append(cfg.Networks, Network{v.Networks[cidr], netip.MustParsePrefix(cidr)})
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
		cfg.ExcludeClasses = append(cfg.ExcludeClasses, Class(c))
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

// TestViewsAgree plays one feed to two aggregators with other labels and policies:
// what both distinguish is the same, series by series, and so are totals. What is
// excluded is what the filters counted.
func TestViewsAgree(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		one, v1 := drawView(r, "one")
		two, v2 := drawView(r, "two")
		drawExcludes(r, &one, &v1)
		// What excludes is the same for both, and so are the classes it goes by.
		two.ClusterNetworks, v2.Cluster = one.ClusterNetworks, v1.Cluster
		two.Tunnels, v2.Tunnels, two.Portless, v2.Portless = one.Tunnels, v1.Tunnels, one.Portless, v1.Portless
		two.ExcludeClasses, two.ExcludeNetworks, two.ExcludeProtocols, two.ExcludeApplications = one.ExcludeClasses, one.ExcludeNetworks, one.ExcludeProtocols, one.ExcludeApplications
		w1, w2 := newWorld(t, one), newWorld(t, two)
		feed := script.Write(script.Options{
			Seed:        rapid.Uint64().Draw(r, "seed"),
			Connections: rapid.IntRange(1, 40).Draw(r, "connections"),
			Steps:       rapid.IntRange(1, 10).Draw(r, "steps"),
			Points:      points(one, two),
			Now:         w1.time.UnixMilli(),
		})
		want := reference.New()
		for _, messages := range append([][]script.Message{feed.Hello}, feed.Steps...) {
			for _, m := range messages {
				want.Report(m.Flows...)
				w1.Update(flowsOf(m.Flows))
				w2.Update(flowsOf(m.Flows))
			}
			w1.tick()
			w2.tick()
		}
		w1.tick() // what had just ended and returned
		w2.tick()
		got1, got2 := w1.receiver.increases(), w2.receiver.increases()
		if diff := cmp.Diff(want.By(v1), got1); diff != "" {
			r.Fatalf("series differ from the reference (-want +got):\n%s", diff)
		}
		common := slices.DeleteFunc(slices.Clone(one.Labels), func(l string) bool {
			return !slices.Contains(two.Labels, l) || isPort(l) && policyOf(one, []string{l}) != policyOf(two, []string{l}) ||
				isPort(l) && (one.Ports == DropPorts) != (two.Ports == DropPorts) ||
				(l == "initiator_network" || l == "target_network") && !maps.Equal(v1.Networks, v2.Networks)
		})
		if diff := cmp.Diff(grouped(got1, common), grouped(got2, common)); diff != "" {
			r.Fatalf("grouped by %v the two differ (-one +two):\n%s", common, diff)
		}
		if diff := cmp.Diff(grouped(got1, nil), grouped(got2, nil)); diff != "" {
			r.Fatalf("totals differ (-one +two):\n%s", diff)
		}
		filtered := 0.0
		for _, c := range []string{filterClasses, filterNetworks, filterProtocols, filterApplications, filterTunnels} {
			filtered += w1.metricSum("skybridge_filtered_bytes_total", c)
		}
		if filtered != float64(want.Excluded(v1)) {
			r.Fatalf("%v bytes filtered, want %d", filtered, want.Excluded(v1))
		}
	})
}

// TestExactnessAcrossReloads changes what connections are called while a feed
// plays: the sum over all series stays exact.
func TestExactnessAcrossReloads(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg, view := drawView(r, "first")
		several := rapid.Bool().Draw(r, "several points")
		if several && cfg.scope() == byTuple {
			cfg.Observers = ObserversAll
		}
		w := newWorld(t, cfg)
		feed := script.Write(script.Options{
			Seed:        rapid.Uint64().Draw(r, "seed"),
			Connections: rapid.IntRange(1, 30).Draw(r, "connections"),
			Steps:       rapid.IntRange(2, 8).Draw(r, "steps"),
			Points:      map[bool]int{false: 1, true: 2}[several],
			Now:         w.time.UnixMilli(),
		})
		want := reference.New()
		for _, messages := range append([][]script.Message{feed.Hello}, feed.Steps...) {
			for _, m := range messages {
				want.Report(m.Flows...)
				w.Update(flowsOf(m.Flows))
			}
			w.tick()
			next, _ := drawView(r, "next")
			next.ConnectionTimeout, next.FlowRetention = time.Minute, 30*time.Minute
			next.Tunnels, next.Portless = cfg.Tunnels, cfg.Portless // what is left out before a reload is up to the view
			if several && next.scope() == byTuple {
				next.Observers = ObserversAll
			}
			release := w.Hold()
			if w.Renames(next) {
				w.endAll()
			}
			if err := w.Configure(next); err != nil {
				r.Fatal(err)
			}
			release()
			if w.Renames(next) {
				r.Fatal("the configuration is not in force")
			}
		}
		for range 4 { // also of what has just ended and returns
			w.tick()
		}
		totals := grouped(want.By(reference.View{Labels: []string{labelProtocol}, Tunnels: view.Tunnels, Portless: view.Portless}), nil)
		if diff := cmp.Diff(totals, grouped(w.receiver.increases(), nil)); diff != "" {
			r.Fatalf("totals differ from what was reported (-want +got):\n%s", diff)
		}
	})
}
