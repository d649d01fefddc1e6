// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"testing"

	"github.com/skydive-project/skybridge/bridge/web"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
)

// TestStatusOfABridge proves that a running bridge says in /api/v1/status what its
// metrics say: which bound folds how much, and what its peers do.
func TestStatusOfABridge(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.configure("", "aggregation: {max_series: 200, max_series_per_node: 60, top_k: 10, top_k_window: 10s}\n")
	r.start()
	r.play(50)
	page, _, err := judge.Page(r.ctx, r.url+"/api/v1/status", "")
	if err != nil {
		t.Fatal(err)
	}
	var s web.Status
	if err := json.Unmarshal([]byte(page), &s); err != nil {
		t.Fatalf("%v\n%s", err, page)
	}
	if !s.Ready || s.Version == "" || s.ExactnessSuspended || len(s.Analyzers) != 1 || !s.Analyzers[0].Connected ||
		len(s.Endpoints) != 1 || !s.Endpoints[0].OK || len(s.Labels) != 7 || len(s.Nodes) == 0 {
		t.Fatalf("%s", page)
	}
	if b := s.Bounds; b.Series.Now == 0 || b.Series.Limit != 200 || b.SeriesPerNode.Limit != 60 || b.SeriesPerNode.Now != s.Nodes[0].Series ||
		b.Connections.Now == 0 || b.Connections.Now > 10 || b.Connections.Limit != 10 || b.Flows.Now == 0 {
		t.Errorf("%s", page)
	}
	folded := uint64(0)
	for _, o := range s.Overflow {
		folded += o.Bytes
		if (o.Bytes > 0) != (o.Connections > 0) {
			t.Errorf("%+v", o)
		}
	}
	if folded == 0 || len(s.Overflow) != 3 {
		t.Errorf("nothing is folded:\n%s", page)
	}
}
