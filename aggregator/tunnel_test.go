// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"testing"
)

// TestTunnels proves which flows of a tunnel count, that a reload loses nothing,
// and that a flow which others name as their parent is known to carry them.
func TestTunnels(t *testing.T) {
	outer, inner, plain := 1300, 1000, 50
	for policy, want := range map[Tunnels]int{"": outer + inner + plain, TunnelsBoth: outer + inner + plain, TunnelsInner: inner + plain, TunnelsOuter: outer + plain} {
		for _, named := range []bool{false, true} {
			w := newWorld(t, Config{Tunnels: policy})
			w.known()
			o, i, p := w.flow("1", int64(outer), 0), w.flow("2", int64(inner), 0), w.flow("3", int64(plain), 0)
			o.TransportB, p.TransportB = 4789, 7
			o.Outer, i.ParentUUID = !named, []byte("1")
			carried := w.flow("4", 0, 0) // by it, too
			carried.ParentUUID, carried.TransportB, carried.Metric.RTT = []byte("1"), 8, 1
			start := w.flow("1", 0, 0) // the parent was there before
			start.Metric.RTT, start.TransportB = 1, 4789
			w.Update([]Flow{start, carried, o, i, p})
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
			w.Update([]Flow{w.grown(o, int64(outer)+10), w.grown(i, int64(inner)+5)})
			w.wantBytes(fmt.Sprint(policy, " and then both"), uint64(want+15))
		}
	}
}
