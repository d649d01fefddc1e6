// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"net/netip"
	"testing"
)

// BenchmarkLabels makes the label values of one flow, with what each choice costs.
func BenchmarkLabels(b *testing.B) {
	var many []Network
	for i := range 1000 {
		many = append(many, Network{"n", netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 4), byte(i << 4), 0}), 20+i%9)})
	}
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"default", Config{Labels: Default()}},
		{"service", Config{Labels: Default(), Ports: ServicePorts}},
		{"networks", Config{Labels: []string{"initiator_network", "target_network", "flow_class"}, Networks: many, ClusterNetworks: prefixes("10.0.0.0/8")}},
		{"names", Config{Labels: []string{"node_name", "host", "initiator_name", "target_name"}}},
		{"all", Config{Labels: All(), Ports: ServicePorts, Networks: many}},
	} {
		b.Run(c.name, func(b *testing.B) {
			builder, _ := newBuilder(b, c.cfg, nil)
			nameAll(builder)
			f := newFlow()
			var values []byte
			b.ReportAllocs()
			for b.Loop() {
				values = builder.Append(values[:0], f)
			}
		})
	}
}
