// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
)

// TestRenames proves which changes of a configuration change what connections are
// called, at a reload and between two processes.
func TestRenames(t *testing.T) {
	with := func(change func(*Config)) Config {
		cfg := Config{
			Config: label.Config{
				Labels: append(label.Default(), "target_network", "flow_class"), Ports: label.ServicePorts, ServicePorts: []label.PortRange{{First: 9042, Last: 9042}, {Protocol: "TCP", First: 9043, Last: 9043}},
				Networks: []label.Network{{Name: "lab", Prefix: netip.MustParsePrefix("10.0.0.0/8")}}, ClusterNetworks: prefixes("10.0.0.0/8"),
			},
			ConnectionTimeout: time.Minute, FlowRetention: 30 * time.Minute,
		}
		change(&cfg)
		return cfg
	}
	tests := []struct {
		name   string
		change func(*Config)
		want   bool
	}{
		{"nothing", func(*Config) {}, false},
		{"the order of labels", func(c *Config) { slices.Reverse(c.Labels) }, false},
		{"the order of ports", func(c *Config) { slices.Reverse(c.ServicePorts) }, false},
		{"a label less", func(c *Config) { c.Labels = c.Labels[1:] }, true},
		{"ports kept", func(c *Config) { c.Ports = label.KeepPorts }, true},
		{"ports dropped", func(c *Config) { c.Ports = label.DropPorts }, true},
		{"a service more", func(c *Config) {
			c.ServicePorts = append(c.ServicePorts, label.PortRange{Protocol: "UDP", First: 1, Last: 2})
		}, true},
		{"a network's name", func(c *Config) { c.Networks[0].Name = "office" }, true},
		{"a network more", func(c *Config) {
			c.Networks = append(c.Networks, label.Network{Name: "x", Prefix: netip.MustParsePrefix("11.0.0.0/8")})
		}, true},
		{"cluster networks", func(c *Config) { c.ClusterNetworks = nil }, true},
		{"bounds and filters", func(c *Config) { c.MaxSeries, c.ExcludeProtocols = 100, []string{"UDP"} }, false},
		{"what is no configuration", func(c *Config) { c.Labels = nil }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := knownProcess(t, with(func(*Config) {}))
			m.count(m.flow("1", 1000, 0))
			next := with(test.change)
			if got := m.Renames(next); got != test.want {
				t.Errorf("at a reload: %v, want %v", got, test.want)
			}
			m.crash(false)
			if len(next.Labels) > 0 {
				m.cfg = next
			}
			m.begin()
			if got := m.Renames(next); got != test.want {
				t.Errorf("after a restart: %v, want %v", got, test.want)
			}
			if test.want {
				if err := m.Configure(next); err == nil || !strings.Contains(err.Error(), "have not ended") {
					t.Errorf("configured although series live: %v", err)
				}
				m.endAll()
			}
			if err := m.Configure(m.cfg); err != nil {
				t.Fatal(err)
			}
			m.count(m.flow("1", 1500, 0))
			m.want("bytes", 1500)
			m.crash(false)
			m.begin() // the state has the new names now
			if m.Renames(m.cfg) {
				t.Error("renames again")
			}
			m.crash(false)
		})
	}
}
