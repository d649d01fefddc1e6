// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// TestFilters proves what each filter keeps out, and that every configured value
// is counted from the start.
func TestFilters(t *testing.T) {
	cfg := Config{
		Config:           label.Config{ClusterNetworks: prefixes("10.0.0.2/32")},
		ExcludeProtocols: []string{"UDP"}, ExcludeApplications: []string{"VXLAN", "DNS"},
		ExcludeNetworks: prefixes("192.0.2.0/24", "192.0.2.7/32"), ExcludeClasses: []label.Class{label.Ingress},
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
