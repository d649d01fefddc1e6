// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/bridge/web/connections"
	"github.com/skydive-project/skybridge/bridge/web/status"
	"github.com/skydive-project/skybridge/internal/prom"
)

// TestStatusOfABridge proves that a running bridge says in /api/v1/status what its
// metrics say: how much each bound puts into the overflow, and what its peers do.
func TestStatusOfABridge(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.configure("", "aggregation: {max_series: 200, max_series_per_node: 60, top_k: 10, top_k_window: 10s}\n")
	r.start()
	r.awaitTicks(2) // counters begin from here on
	r.play(50)
	page := r.page("/api/v1/status")
	var s status.Status
	if err := json.Unmarshal([]byte(page), &s); err != nil {
		t.Fatalf("%v\n%s", err, page)
	}
	if !s.Ready || s.Version == "" || s.ExactnessSuspended || len(s.Analyzers) != 1 || !s.Analyzers[0].Connected ||
		len(s.Endpoints) != 1 || !s.Endpoints[0].OK || s.Endpoints[0].State != "ok" || len(s.Labels) != 7 || len(s.Nodes) == 0 ||
		s.Analyzers[0].Updates == 0 || s.Endpoints[0].Version != "2.0" || s.Started.IsZero() || s.Storage.Durable || s.Storage.Memory.Limit == 0 ||
		!strings.Contains(s.Config, "max_series: 200") {
		t.Fatalf("%s", page)
	}
	if b := s.Bounds; b.Series.Now == 0 || b.Series.Limit != 200 || b.SeriesPerNode.Limit != 60 || b.SeriesPerNode.Now != s.Nodes[0].Series ||
		b.Connections.Now == 0 || b.Connections.Now > 10 || b.Connections.Limit != 10 || b.Flows.Now == 0 {
		t.Errorf("%s", page)
	}
	overflowed := uint64(0)
	for _, o := range s.Overflow {
		overflowed += o.Bytes
		if (o.Bytes > 0) != (o.Connections > 0) {
			t.Errorf("%+v", o)
		}
	}
	if overflowed == 0 || len(s.Overflow) != 3 {
		t.Errorf("nothing is in the overflow:\n%s", page)
	}
}

// TestConnectionsOfABridge proves that the status page and its API show the counters
// that /metrics has, with rates and names, and no secret.
func TestConnectionsOfABridge(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.dir = t.TempDir()
	r.configure("", fmt.Sprintf("aggregation: {top_k: 20}\nremote_write:\n  - url: %s\n    headers: {X-Token: s3cr3t-word}\n", r.prom.WriteURL()))
	r.start()
	r.play(200)
	r.awaitTicks(2)
	// All that is reported has been sampled and nothing ends soon, so both are of the
	// same values.
	page := r.page("/metrics?collect[]=connections")
	want := uint64(0)
	for _, line := range regexp.MustCompile(`(?m)^skydive_network_connection_total_bytes\{.* (\d+)$`).FindAllStringSubmatch(page, -1) {
		n, err := strconv.ParseUint(line[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		want += n
	}
	page = r.page("/api/v1/connections?limit=500&sort=bytes")
	var c connections.Page
	if err := json.Unmarshal([]byte(page), &c); err != nil {
		t.Fatalf("%v\n%s", err, page)
	}
	got, overflow := uint64(0), 0
	for _, one := range c.Connections {
		got += one.Bytes[0] + one.Bytes[1]
		if one.Overflow {
			overflow++
		}
	}
	if want == 0 || got != want || c.Total != len(c.Connections) || overflow == 0 || len(c.HistoryAt) < 2 || len(c.History) != len(c.HistoryAt) ||
		c.Rate[0]+c.Rate[1] == 0 {
		t.Errorf("%d bytes, want %d\n%s", got, want, page)
	}
	for _, path := range []string{"/", "/api/v1/status"} {
		page := r.page(path)
		if strings.Contains(page, "s3cr3t") || !strings.Contains(page, "X-Token") {
			t.Errorf("%s shows a secret, or not the configuration:\n%s", path, page)
		}
	}
}

// TestMissingWord proves that one analyzer is not spoken of as of several.
func TestMissingWord(t *testing.T) {
	for n, want := range map[int]string{
		1: "ready, but 1 analyzer exists that is not subscribed to: flows are missing",
		2: "ready, but 2 analyzers exist that are not subscribed to: flows are missing",
	} {
		if word := missingWord(n); word != want {
			t.Errorf("%q, want %q", word, want)
		}
	}
}
