// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestLayout shows which labels a configuration chooses, and which choices are refused.
func TestLayout(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want string // the names, or what the error says
	}{
		{"the default", Config{Labels: Default()}, "direction initiator_ip initiator_port node_tid protocol target_ip target_port"},
		{"ports kept", Config{Labels: []string{"target_port", "direction"}, Ports: KeepPorts}, "direction target_port"},
		{"ports dropped", Config{Labels: Default(), Ports: DropPorts}, "direction initiator_ip node_tid protocol target_ip"},
		{"nothing but ports, dropped", Config{Labels: []string{"target_port"}, Ports: DropPorts}, "no labels chosen"},
		{"none", Config{}, "no labels chosen"},
		{"an unknown one", Config{Labels: []string{"protocol", "color"}}, `unknown label "color"`},
		{"one twice", Config{Labels: []string{"protocol", "direction", "protocol"}}, `"protocol" is chosen twice`},
		{"an unknown policy", Config{Labels: Default(), Ports: "most"}, "use keep, drop or service"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := slices.Clone(test.cfg.Labels)
			layout, err := test.cfg.Layout()
			if err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want %s", err, test.want)
				}
				return
			}
			if got := strings.Join(layout.Names, " "); got != test.want || layout.Direction != slices.Index(layout.Names, "direction") {
				t.Errorf("%s, direction at %d; want %s", got, layout.Direction, test.want)
			}
			if !slices.Equal(test.cfg.Labels, before) {
				t.Errorf("the configuration became %v", test.cfg.Labels)
			}
		})
	}
}

// TestPolicyOfWhatIsNotShown proves that networks and ports rename nothing where no label
// shows them, and that each does where one does.
func TestPolicyOfWhatIsNotShown(t *testing.T) {
	for shown, setting := range map[string]Config{
		"target_port":    {Ports: ServicePorts, ServicePorts: []PortRange{{"", 1, 2}}},
		"target_network": {Networks: []Network{{"lab", netip.MustParsePrefix("10.0.0.0/8")}}},
		"flow_class":     {ClusterNetworks: prefixes("10.0.0.0/8")},
	} {
		for _, label := range []string{"protocol", shown} {
			plain := Config{Labels: []string{label}}
			setting.Labels = plain.Labels
			a, err := plain.Layout()
			if err != nil {
				t.Fatal(err)
			}
			b, err := setting.Layout()
			if err != nil {
				t.Fatal(err)
			}
			if got, want := a.Equal(b), label != shown; got != want {
				t.Errorf("what %s shows, with the label %s: equal %v, want %v", shown, label, got, want)
			}
		}
	}
}

// TestPolicyWithoutOrder proves that the order of what the operator lists renames nothing.
func TestPolicyWithoutOrder(t *testing.T) {
	c := Config{
		Labels: All(), Ports: ServicePorts, ServicePorts: []PortRange{{"", 9042, 9042}, {"TCP", 9043, 9043}},
		Networks:        []Network{{"lab", netip.MustParsePrefix("10.0.0.0/8")}, {"bench", netip.MustParsePrefix("10.0.0.2/32")}},
		ClusterNetworks: prefixes("10.0.0.0/8", "fd00::/8"),
	}
	before, err := c.Layout()
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(c.Labels)
	slices.Reverse(c.ServicePorts)
	slices.Reverse(c.Networks)
	slices.Reverse(c.ClusterNetworks)
	after, err := c.Layout()
	if err != nil || !after.Equal(before) {
		t.Errorf("%v, %v; want %v", after, err, before)
	}
}

// TestOverflow proves that the overflow's values cannot be multiplied by inventing protocols.
func TestOverflow(t *testing.T) {
	layout, err := NewLayout(Default())
	if err != nil {
		t.Fatal(err)
	}
	f := newFlow()
	for protocol, want := range map[string]string{"TCP": "other other other TCP other other ", "tcp": "other other other other other other "} {
		f.TransportProtocol = []byte(protocol)
		if got := strings.ReplaceAll(string(layout.AppendOverflow(nil, f)), SeparatorText, " "); got != want {
			t.Errorf("%s: %q, want %q", protocol, got, want)
		}
	}
}
