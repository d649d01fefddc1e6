// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/input"
)

// TestServerSide proves which of two ports is shown, and that their size is no
// argument.
func TestServerSide(t *testing.T) {
	opened := func(by input.Opened, answered bool) func(*input.Flow) {
		return func(f *input.Flow) {
			f.Opened = by
			if !answered {
				f.Metric.ABPackets, f.Metric.BAPackets = 0, 0
			}
		}
	}
	tests := []struct {
		name string
		a, b int64
		flow func(*input.Flow)
		want string // the values of initiator_port and target_port
	}{
		{"the target's port is listed", 40000, 443, nil, "ephemeral 443"},
		{"the initiator's port is listed, as in a capture that began in mid-stream", 443, 40000, nil, "443 ephemeral"},
		{"both are listed", 123, 53, nil, "ephemeral 53"},
		{"the target's is the larger of two listed ones", 53, 8443, nil, "ephemeral 8443"},
		{"neither is listed", 12, 40000, nil, "ephemeral ephemeral"},
		{"a small port says nothing", 40000, 2, nil, "ephemeral ephemeral"},
		{"the operator's", 40000, 9042, nil, "ephemeral 9042"},
		{"the operator's, of this protocol only", 40000, 9043, func(f *input.Flow) { f.TransportProtocol = []byte("UDP") }, "ephemeral ephemeral"},
		{"the operator's, of any protocol", 40000, 9042, func(f *input.Flow) { f.TransportProtocol = []byte("DCCP") }, "ephemeral 9042"},
		{"a protocol without a list", 40000, 443, func(f *input.Flow) { f.TransportProtocol = []byte("DCCP") }, "ephemeral ephemeral"},
		{"A opened it", 40000, 50000, opened(input.OpenedByA, true), "ephemeral 50000"},
		{"A opened it from a listed port", 443, 50000, opened(input.OpenedByA, true), "ephemeral 50000"},
		{"B opened it", 50000, 443, opened(input.OpenedByB, true), "50000 ephemeral"},
		{"A tried to open it and nothing answered", 40000, 50000, opened(input.OpenedByA, false), "ephemeral ephemeral"},
		{"no ports", -1, 1 << 40, nil, "ephemeral ephemeral"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, layout := newBuilder(t, Config{Labels: []string{"initiator_port", "target_port"}, Ports: ServicePorts,
				ServicePorts: []PortRange{{"", 9042, 9042}, {"TCP", 9043, 9049}}}, nil)
			f := newFlow()
			f.TransportA, f.TransportB = test.a, test.b
			if test.flow != nil {
				test.flow(f)
			}
			got := strings.NewReplacer("initiator_port=", "", ",target_port=", " ").Replace(labelsOf(b, layout, f))
			if got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
