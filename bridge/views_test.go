// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/reference"
)

// TestViewInPrometheus judges chosen labels, service ports, networks and filters
// series by series in the receiver.
func TestViewInPrometheus(t *testing.T) {
	const aggregation = `aggregation:
  labels: [initiator_network, target_ip, target_port, initiator_port, flow_class, application, direction]
  ports: service
  service_ports: [32770-32779/tcp]
  networks:
    lab: [10.77.0.0/16, "fd77::/64"]
    rack: [10.77.0.0/28]
  cluster_networks: [10.99.0.0/16]
  exclude_networks: [10.77.0.2/32]
  exclude_protocols: [sctp]
`
	view := reference.View{
		Labels: []string{"initiator_network", "target_ip", "target_port", "initiator_port", "flow_class", "application", "direction"},
		Ports:  "service",
		Services: map[string]bool{
			"TCP/443": true, "UDP/53": true, "SCTP/3868": true, "TCP/32770": true, "TCP/32771": true, "TCP/32772": true, "TCP/32773": true,
			"TCP/32774": true, "TCP/32775": true, "TCP/32776": true, "TCP/32777": true, "TCP/32778": true, "TCP/32779": true,
		},
		Networks:        map[string]string{"10.77.0.0/16": "lab", "fd77::/64": "lab", "10.77.0.0/28": "rack"},
		Cluster:         []string{"10.99.0.0/16"},
		ExcludeNetworks: []string{"10.77.0.2/32"}, ExcludeProtocols: []string{"SCTP"},
	}
	r := newRig(t, 1, prom.Options{})
	r.configure("", aggregation)
	r.start()
	r.play(100)
	filtered := r.metric("skybridge_filtered_bytes_total")
	r.halt()
	want := r.Reference.By(view)
	for _, s := range r.raw() {
		s.Labels.Range(func(l labels.Label) {
			if l.Name != "__name__" && !slices.Contains(view.Labels, l.Name) {
				t.Errorf("%s has the label %s", s.Labels, l.Name)
			}
		})
	}
	if len(want) < 10 {
		t.Fatalf("only %d series: that judges little", len(want))
	}
	if diff := cmp.Diff(want, judge.SumsBy(r.raw(), view.Labels...)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if excluded := r.Reference.Excluded(view); excluded == 0 || filtered != float64(excluded) {
		t.Errorf("%v bytes filtered, want %d", filtered, excluded)
	}
	r.judgeWrites()
}
