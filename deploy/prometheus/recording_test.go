// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/rules"
)

// What is recorded is what its name says.
func TestRecording(t *testing.T) {
	lab := tell(t, story{series: []string{
		`skydive_network_connection_total_bytes{node_tid="n",protocol="TCP",direction="initiator_to_target",initiator_ip="a",target_ip="b",initiator_port="1"} 0+600x60`,
		`skydive_network_connection_total_bytes{node_tid="n",protocol="TCP",direction="initiator_to_target",initiator_ip="a",target_ip="b",initiator_port="2"} 0+1200x60`,
		`skydive_network_connection_total_bytes{node_tid="n",protocol="TCP",direction="target_to_initiator",initiator_ip="a",target_ip="b",initiator_port="2"} 0+60x60`,
		`skydive_network_connection_total_packets{node_tid="n",protocol="TCP",direction="initiator_to_target"} 0+60x60`,
		`skydive_capture_packets_dropped_total{capture_id="c"} 0+20x60`,
		`skydive_capture_packets_received_total{capture_id="c"} 0+980x60`,
		`prometheus_remote_storage_queue_highest_timestamp_seconds{JR} 0+60x60`,
		`prometheus_remote_storage_queue_highest_sent_timestamp_seconds{JR} -30+60x60`,
		`skybridge_series{J} 250x60`,
		`skybridge_series_limit{J} 1000x60`,
	}}, recordingFile)
	want := map[string]string{
		`node_tid_protocol_direction:skydive_network_connection_total_bytes:rate5m15s{direction="initiator_to_target"}`: "30",
		`node_tid_protocol_direction:skydive_network_connection_total_bytes:rate5m15s{direction="target_to_initiator"}`: "1",
		`node_tid_protocol_direction:skydive_network_connection_total_packets:rate5m15s`:                                "1",
		`node_tid_initiator_ip_target_ip:skydive_network_connection_total_bytes:rate5m15s`:                              "31",
		`node_tid:skydive_network_connection:count`:                                                                     "2",
		`capture_id:skydive_capture_packets_dropped:ratio_rate5m`:                                                       "0.02",
		`instance_remote_name:skybridge_push_lag_seconds:max5m`:                                                         "30",
		`instance:skybridge_series:ratio`:                                                                               "0.25",
	}
	got, named := map[string]string{}, map[string]bool{}
	for query := range want {
		found, err := lab.Value(t.Context(), query, time.Unix(0, 0).Add(length))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range found {
			got[query] += fmt.Sprintf("%.6g", s.F)
			named[s.Metric.Get("__name__")] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	for _, r := range lab.Rules() {
		if _, ok := r.(*rules.RecordingRule); !ok || !named[r.Name()] {
			t.Errorf("%s is not looked at", r.Name())
		}
	}
}
