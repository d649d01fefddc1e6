// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// TestCarrierWithoutPorts proves that of a GRE tunnel exactly one side counts with
// outer, in either order of a message, also after a reload.
func TestCarrierWithoutPorts(t *testing.T) {
	for policy, want := range map[Portless]uint64{"": 1000, PortlessSkip: 1000, PortlessCount: 1300} {
		for _, innerFirst := range []bool{false, true} {
			for _, observers := range []Observers{ObserversAll, ObserversOne} {
				w := knownWorld(t, Config{Config: label.Config{Labels: withoutNode()}, Tunnels: TunnelsOuter, Portless: policy, Observers: observers})
				gre, tcp := w.flow("1", 1300, 0), w.flow("2", 1000, 0)
				gre.HasTransport, gre.TransportProtocol, gre.TransportA, gre.TransportB = false, nil, 0, 0
				gre.Application, gre.Outer = []byte("GRE"), true
				tcp.ParentUUID = []byte("1")
				flows := []input.Flow{gre, tcp}
				if innerFirst {
					flows = []input.Flow{tcp, gre}
				}
				w.Update(flows)
				w.wantBytes(fmt.Sprint(policy, innerFirst), want)
				next := w.cfg
				if next.Portless = PortlessCount; policy == PortlessCount {
					next.Portless = PortlessSkip
				}
				if err := w.Configure(next); err != nil {
					t.Fatal(err)
				}
				gre, tcp = w.grown(gre, 1430), w.grown(tcp, 1100)
				w.Update([]input.Flow{tcp, gre})
				grown := uint64(130)
				if policy == PortlessCount {
					grown = 100
				}
				w.wantBytes(fmt.Sprint(policy, innerFirst, " after a reload"), want+grown)
			}
		}
	}
}

// TestCarrierHeld proves that a tunnel which does not count does not do so either after
// its records were held because the agent's clock was set back.
func TestCarrierHeld(t *testing.T) {
	w := knownWorld(t, Config{Tunnels: TunnelsOuter})
	from := w.time
	w.Update([]input.Flow{agentRecord{0, 0, 0, 0, 7, 7, false}.flow(from)})
	for k := range int64(4) {
		gre := agentRecord{1, -3600, 60*k - 1800, 0, 1000 + 70*k, 70, false}.flow(from)
		gre.HasTransport, gre.TransportProtocol, gre.TransportA, gre.TransportB = false, nil, 0, 0
		gre.Application, gre.Outer = []byte("GRE"), true
		tcp := agentRecord{2, -1830, 60*k - 1800, 0, 50 * (k + 1), 50, false}.flow(from)
		tcp.ParentUUID = gre.UUID
		w.Update([]input.Flow{gre, tcp})
		if k == 0 && w.metric("skybridge_records_held", "") == 0 {
			t.Fatal("nothing is held")
		}
		w.pass(time.Minute)
	}
	w.wantBytes("a step of the clock", 7+4*50)
}

// TestCarrierLeftOut proves that with outer what a tunnel carries counts where a filter
// leaves the tunnel's own flow out, in either order of a message, and no longer after a
// reload without it.
func TestCarrierLeftOut(t *testing.T) {
	for _, innerFirst := range []bool{false, true} {
		w := knownWorld(t, Config{Tunnels: TunnelsOuter, ExcludeProtocols: []string{"UDP"}})
		vxlan, tcp := w.flow("1", 1300, 0), w.flow("2", 1000, 0)
		vxlan.TransportProtocol, vxlan.TransportB, vxlan.Outer = []byte("UDP"), 4789, true
		tcp.ParentUUID = []byte("1")
		update := func() {
			flows := []input.Flow{vxlan, tcp}
			if innerFirst {
				slices.Reverse(flows)
			}
			w.Update(flows)
		}
		update()
		w.wantBytes(fmt.Sprint("inner first: ", innerFirst), 1000)
		w.wantMetric("skybridge_filtered_bytes_total", "UDP", 1300)
		next := w.cfg
		next.ExcludeProtocols = nil
		if err := w.Configure(next); err != nil {
			t.Fatal(err)
		}
		vxlan, tcp = w.grown(vxlan, 1430), w.grown(tcp, 1100)
		update()
		w.wantBytes(fmt.Sprint("inner first: ", innerFirst, ", after a reload"), 1000+130)
	}
}

// TestPortless proves that flows without ports count by their layer, without ports,
// with every policy for ports, and that what is skipped is counted by what came.
func TestPortless(t *testing.T) {
	for _, ports := range []label.Ports{label.KeepPorts, label.DropPorts, label.ServicePorts} {
		for _, policy := range []Portless{PortlessSkip, PortlessCount} {
			for _, excluded := range []bool{false, true} {
				cfg := Config{Config: label.Config{Labels: []string{"protocol", "target_port"}, Ports: ports}, Portless: policy}
				if excluded {
					cfg.ExcludeProtocols = []string{"ICMPv4"}
				}
				w := knownWorld(t, cfg)
				f, arp := w.flow("1", 800, 0), w.flow("2", 60, 0)
				f.HasTransport, f.TransportProtocol, f.TransportA, f.TransportB, f.Application = false, nil, 0, 0, []byte("ICMPv4")
				arp.HasTransport, arp.NetworkA, arp.NetworkB, arp.Application = false, nil, nil, []byte("ARP")
				w.Update([]input.Flow{f, arp})
				bytes, skipped := uint64(0), 860.0
				if policy == PortlessCount {
					if skipped = 60; !excluded {
						bytes = 800
					}
				}
				w.wantBytes(fmt.Sprint(ports, policy, excluded), bytes)
				if got := w.metric("skybridge_skipped_bytes_total", skippedNoTransport); got != skipped {
					t.Errorf("%s %s: %v bytes skipped, want %v", ports, policy, got, skipped)
				}
				want := append([]byte("ICMPv4"), label.Separator)
				if ports != label.DropPorts {
					want = append(want, label.Separator)
				}
				if f.TransportProtocol = f.Application; string(w.labels.Append(nil, &f)) != string(want) {
					t.Errorf("%s: it has the port of another", ports)
				}
			}
		}
	}
}

// TestTunnels proves which flows of a tunnel count, that a reload loses nothing,
// and that a flow which others name as their parent is known to carry them.
func TestTunnels(t *testing.T) {
	outer, inner, plain := 1300, 1000, 50
	for policy, want := range map[Tunnels]int{"": outer + inner + plain, TunnelsBoth: outer + inner + plain, TunnelsInner: inner + plain, TunnelsOuter: outer + plain} {
		for _, named := range []bool{false, true} {
			w := knownWorld(t, Config{Tunnels: policy})
			o, i, p := w.flow("1", int64(outer), 0), w.flow("2", int64(inner), 0), w.flow("3", int64(plain), 0)
			o.TransportB, p.TransportB = 4789, 7
			o.Outer, i.ParentUUID = !named, []byte("1")
			carried := w.flow("4", 0, 0) // by it, too
			carried.ParentUUID, carried.TransportB, carried.Metric.RTT = []byte("1"), 8, 1
			start := w.flow("1", 0, 0) // the parent was there before
			start.Metric.RTT, start.TransportB = 1, 4789
			w.Update([]input.Flow{start, carried, o, i, p})
			w.wantBytes(fmt.Sprint(policy, named), uint64(want))
			left := w.metric("skybridge_filtered_bytes_total", tunnelInner) + w.metric("skybridge_filtered_bytes_total", tunnelOuter)
			if int(left) != outer+inner+plain-want {
				t.Errorf("%s: %v bytes left out", policy, left)
			}
			cfg := w.cfg
			cfg.Tunnels = TunnelsBoth
			if err := w.Configure(cfg); err != nil {
				t.Fatal(err)
			}
			w.Update([]input.Flow{w.grown(o, int64(outer)+10), w.grown(i, int64(inner)+5)})
			w.wantBytes(fmt.Sprint(policy, " and then both"), uint64(want+15))
		}
	}
}
