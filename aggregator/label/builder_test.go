// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// nameAll gives a builder's node and addresses names.
func nameAll(b *Builder) {
	b.derived.names.SetNodes([]input.NodeName{{TID: []byte("n1"), Name: []byte("eth0"), Host: []byte("host-1"), Type: []byte("device")}}, input.Refresh{})
	b.derived.names.SetAddresses([]input.AddressName{
		{Address: []byte("10.0.0.1"), Name: []byte("client")}, {Address: []byte("10.0.0.2"), Name: []byte("server")},
	}, input.Refresh{})
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// newFlow is a record of an HTTP connection.
func newFlow() *input.Flow {
	return &input.Flow{
		NodeTID: []byte("n1"), CaptureID: []byte("c1"),
		NetworkA: []byte("10.0.0.1"), NetworkB: []byte("10.0.0.2"), VLAN: 10, VNI: 5,
		HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: 40000, TransportB: 80,
		Application: []byte("HTTP"),
		Metric:      input.Metric{ABBytes: 1000, ABPackets: 10, BABytes: 1000, BAPackets: 10},
	}
}

func newBuilder(t testing.TB, cfg Config, changed func()) (*Builder, *Layout) {
	t.Helper()
	layout, err := cfg.Layout()
	if err != nil {
		t.Fatal(err)
	}
	return NewBuilder(layout, &cfg, NewNames(func() {}, func() {}), newListeners(), changed), layout
}

// labelsOf writes the labels of a flow that have a value.
func labelsOf(b *Builder, layout *Layout, f *input.Flow) string {
	var parts []string
	for i, value := range layout.Values(string(b.Append(nil, f))) {
		if value != "" {
			parts = append(parts, layout.Names[i]+"="+value)
		}
	}
	return strings.Join(parts, ",")
}

// TestEveryLabel shows the value of each label, and that a flow without one has none.
func TestEveryLabel(t *testing.T) {
	b, layout := newBuilder(t, Config{
		Labels:          All(),
		Networks:        []Network{{"lab", netip.MustParsePrefix("10.0.0.0/8")}, {"bench", netip.MustParsePrefix("10.0.0.2/32")}},
		ClusterNetworks: prefixes("10.0.0.1/32"),
	}, nil)
	nameAll(b)
	const want = "application=HTTP,capture_id=c1,flow_class=egress,host=host-1,initiator_ip=10.0.0.1,initiator_name=client," +
		"initiator_network=lab,initiator_port=40000,node_name=eth0,node_tid=n1,node_type=device,protocol=TCP," +
		"target_ip=10.0.0.2,target_name=server,target_network=bench,target_port=80,vlan=10,vni=5"
	if got := labelsOf(b, layout, newFlow()); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := labelsOf(b, layout, &input.Flow{}); got != "flow_class=other" {
		t.Errorf("of an empty flow: %s", got)
	}
	if got := labelsOf(b, layout, newFlow()); got != want {
		t.Errorf("after it: %s\nwant %s", got, want)
	}
}

// TestWithoutNames proves that labels of names have no values where there is no topology.
func TestWithoutNames(t *testing.T) {
	b, layout := newBuilder(t, Config{Labels: []string{"node_name", "host", "node_type", "initiator_name", "target_name", "protocol"}}, nil)
	if got := labelsOf(b, layout, newFlow()); got != "protocol=TCP" {
		t.Errorf("%s", got)
	}
}

// TestChangedValuesAreCounted proves that each value which is not valid as it is counts once.
func TestChangedValuesAreCounted(t *testing.T) {
	changed := 0
	b, _ := newBuilder(t, Config{Labels: []string{"application", "node_tid", "protocol"}}, func() { changed++ })
	f := newFlow()
	f.Application, f.NodeTID = []byte(strings.Repeat("x", 1000)), []byte("\xff")
	if b.Append(nil, f); changed != 2 {
		t.Errorf("%d values changed, want 2", changed)
	}
}

// TestAppendAllocatesNothing: with every label but those that need addresses parsed, and a
// listener that is known.
func TestAppendAllocatesNothing(t *testing.T) {
	parsed := append(with(ofNetwork), with(ofClass)...)
	others := slices.DeleteFunc(All(), func(name string) bool { return slices.Contains(parsed, name) })
	b, _ := newBuilder(t, Config{Labels: others, Ports: ServicePorts}, nil)
	f, values := newFlow(), make([]byte, 0, 256)
	f.Opened = input.OpenedByA
	if n := testing.AllocsPerRun(100, func() { values = b.Append(values[:0], f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestLearn proves that a duplicate shows which end is the server.
func TestLearn(t *testing.T) {
	b, layout := newBuilder(t, Config{Labels: []string{"initiator_port", "target_port"}, Ports: ServicePorts}, nil)
	f := newFlow()
	f.TransportB = 50000
	if got := labelsOf(b, layout, f); got != "initiator_port=ephemeral,target_port=ephemeral" {
		t.Errorf("%s", got)
	}
	opened := *f
	opened.Opened = input.OpenedByA
	b.Learn(&opened)
	if got := labelsOf(b, layout, f); got != "initiator_port=ephemeral,target_port=50000" {
		t.Errorf("%s", got)
	}
}
