// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// known names, as of a topology.
type directory struct {
	nodes     map[string]NodeNames
	addresses map[string]string
}

func (d *directory) Node(tid []byte) NodeNames  { return d.nodes[string(tid)] }
func (d *directory) Address(addr []byte) string { return d.addresses[string(addr)] }

// TestEveryLabel shows the value of each label for one flow.
func TestEveryLabel(t *testing.T) {
	w := newWorld(t, Config{
		Labels:          AllLabels(),
		Networks:        []Network{{"lab", netip.MustParsePrefix("10.0.0.0/8")}, {"bench", netip.MustParsePrefix("10.0.0.2/32")}},
		ClusterNetworks: prefixes("10.0.0.1/32"),
		Names: &directory{
			nodes:     map[string]NodeNames{"n1": {Name: "eth0", Host: "host-1", Type: "device"}},
			addresses: map[string]string{"10.0.0.1": "client", "10.0.0.2": "server"},
		},
	})
	w.known()
	f := w.flow("1", 1000, 0)
	f.Application = []byte("HTTP")
	w.count(f)
	const want = "bytes{application=HTTP,capture_id=c1,direction=initiator_to_target,flow_class=egress,host=host-1,initiator_ip=10.0.0.1," +
		"initiator_name=client,initiator_network=lab,initiator_port=40000,node_name=eth0,node_tid=n1,node_type=device,protocol=TCP," +
		"target_ip=10.0.0.2,target_name=server,target_network=bench,target_port=80}"
	w.want(want, 1000)
}

// TestANameThatBecomesKnown proves that what comes then goes to a series of its
// own, the former one ends, and the total stays.
func TestANameThatBecomesKnown(t *testing.T) {
	names := &directory{addresses: map[string]string{}}
	w := knownWorld(t, Config{Labels: []string{"target_ip", "target_name"}, Names: names})
	w.count(w.flow("1", 1000, 0))
	names.addresses["10.0.0.2"] = "web"
	w.Update([]input.Flow{w.flow("1", 1700, 0)})
	for range 12 {
		w.tick()
	}
	want := map[string]uint64{
		"bytes{target_ip=10.0.0.2}": 1000, "packets{target_ip=10.0.0.2}": 10,
		"bytes{target_ip=10.0.0.2,target_name=web}": 700, "packets{target_ip=10.0.0.2,target_name=web}": 7,
	}
	if diff := cmp.Diff(want, w.receiver.increases()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	former := w.receiver.series["bytes{target_ip=10.0.0.2}"]
	if !former[len(former)-1].stale {
		t.Error("the series without the name did not end")
	}
}

// TestFilters proves what each filter keeps out, and that every configured value
// is counted from the start.
func TestFilters(t *testing.T) {
	cfg := Config{
		ExcludeProtocols: []string{"UDP"}, ExcludeApplications: []string{"VXLAN", "DNS"},
		ExcludeNetworks: prefixes("192.0.2.0/24", "192.0.2.7/32"), ExcludeClasses: []Class{Ingress}, ClusterNetworks: prefixes("10.0.0.2/32"),
	}
	tests := []struct {
		name          string
		flow          func(*input.Flow)
		filter, value string
	}{
		{"protocol", func(f *input.Flow) { f.TransportProtocol = []byte("UDP") }, "protocols", "UDP"},
		{"application", func(f *input.Flow) { f.Application = []byte("DNS") }, "applications", "DNS"},
		{"from a network", func(f *input.Flow) { f.NetworkA = []byte("192.0.2.1") }, "networks", "192.0.2.0/24"},
		{"to a network, the longest prefix", func(f *input.Flow) { f.NetworkB = []byte("::ffff:192.0.2.7") }, "networks", "192.0.2.7/32"},
		{"class", func(*input.Flow) {}, "classes", "ingress"},
		{"nothing", func(f *input.Flow) { f.NetworkB = []byte("10.0.0.3") }, "", ""},
		{"a word is not a part of one", func(f *input.Flow) { f.NetworkB, f.Application = []byte("10.0.0.3"), []byte("DNSSEC") }, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := knownWorld(t, cfg)
			f := w.flow("1", 1000, 500)
			test.flow(&f)
			w.count(f)
			left := uint64(1500)
			for filter, values := range map[string][]string{
				"protocols": {"UDP"}, "applications": {"VXLAN", "DNS"}, "networks": {"192.0.2.0/24", "192.0.2.7/32"},
				"classes": {"ingress", "egress", "internal", "other"},
			} {
				for _, value := range values {
					n, ok := w.filtered(filter, value)
					want := 0.0
					if filter == test.filter && value == test.value {
						want, left = 1500, 0
					}
					if !ok || n != want {
						t.Errorf("%s %s: %v bytes (there: %v), want %v", filter, value, n, ok, want)
					}
				}
			}
			w.want("bytes", left)
		})
	}
}

// filtered returns what a value of a filter kept out.
func (w *world) filtered(filter, value string) (n float64, ok bool) {
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "skybridge_filtered_bytes_total" && m.Label[0].GetValue() == filter && m.Label[1].GetValue() == value {
				return m.GetCounter().GetValue(), true
			}
		}
	}
	return 0, false
}

// TestRenames proves which changes of a configuration change what connections are
// called, at a reload and between two processes.
func TestRenames(t *testing.T) {
	with := func(change func(*Config)) Config {
		cfg := Config{
			Labels: append(DefaultLabels(), "target_network", "flow_class"), Ports: ServicePorts, ServicePorts: []PortRange{{"", 9042, 9042}, {"TCP", 9043, 9043}},
			Networks: []Network{{"lab", netip.MustParsePrefix("10.0.0.0/8")}}, ClusterNetworks: prefixes("10.0.0.0/8"),
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
		{"ports kept", func(c *Config) { c.Ports = KeepPorts }, true},
		{"ports dropped", func(c *Config) { c.Ports = DropPorts }, true},
		{"a service more", func(c *Config) { c.ServicePorts = append(c.ServicePorts, PortRange{"UDP", 1, 2}) }, true},
		{"a network's name", func(c *Config) { c.Networks[0].Name = "office" }, true},
		{"a network more", func(c *Config) { c.Networks = append(c.Networks, Network{"x", netip.MustParsePrefix("11.0.0.0/8")}) }, true},
		{"cluster networks", func(c *Config) { c.ClusterNetworks = nil }, true},
		{"bounds and filters", func(c *Config) { c.MaxSeries, c.ExcludeProtocols = 100, []string{"UDP"} }, false},
		{"what is no configuration", func(c *Config) { c.Labels = nil }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := knownProcess(t, with(func(*Config) {}), disktest.New(1), 1)
			m.count(m.flow("1", 1000, 0))
			next := with(test.change)
			if got := m.Renames(next); got != test.want {
				t.Errorf("at a reload: %v, want %v", got, test.want)
			}
			m.crash(false)
			if len(next.Labels) > 0 {
				m.cfg = next
			}
			m.start()
			if got := m.Renames(next); got != test.want || m.recover.ResetReason != "" {
				t.Errorf("after a restart: %v, want %v (%s)", got, test.want, m.recover.ResetReason)
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
			m.start() // the state has the new names now
			if m.Renames(m.cfg) {
				t.Error("renames again")
			}
			m.crash(false)
		})
	}
}

// TestPolicyOfWhatIsNotShown proves that networks and ports rename nothing where
// no label shows them.
func TestPolicyOfWhatIsNotShown(t *testing.T) {
	w := newWorld(t, Config{Labels: []string{labelProtocol}})
	if w.Renames(Config{
		Labels: []string{labelProtocol}, Ports: ServicePorts, ServicePorts: []PortRange{{"", 1, 2}},
		Networks: []Network{{"lab", netip.MustParsePrefix("10.0.0.0/8")}}, ClusterNetworks: prefixes("10.0.0.0/8"),
	}) {
		t.Error("it renames")
	}
}
