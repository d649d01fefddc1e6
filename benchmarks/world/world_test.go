// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"encoding/json"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// TestFlows: a flow is as large as a real one, and what it carries adds up.
func TestFlows(t *testing.T) {
	const first = 1<<21 - 3
	flows := Flows(1_700_000_000_000, first, 100, 2)
	text, err := json.Marshal(flows)
	if err != nil {
		t.Fatal(err)
	}
	if size := len(text) / len(flows); size < 750 || size > 850 {
		t.Errorf("%d bytes a flow; Skydive's have about 800", size)
	}
	for i, before := range Flows(1_700_000_000_000, first, 100, 1) {
		f := flows[i]
		if f.UUID != before.UUID || f.Metric.ABBytes != before.Metric.ABBytes+f.LastUpdateMetric.ABBytes || f.LastUpdateMetric.Start != before.LastUpdateMetric.Last {
			t.Fatalf("%+v %+v after %+v", f, f.LastUpdateMetric, before)
		}
	}
}

// TestConnectionsDiffer: no two connections share a UUID or a series.
func TestConnectionsDiffer(t *testing.T) {
	const many = 200_000
	uuids, series := map[string]bool{}, map[uint64]bool{}
	for _, f := range Flows(0, 1<<21-many/2, many, 0) { // the clients begin again in its midst
		uuids[f.UUID] = true
	}
	Series(many, func(l labels.Labels, _ bool) { series[l.Hash()] = true })
	if len(uuids) != many || len(series) != 5*many {
		t.Errorf("%d UUIDs, %d series of %d connections", len(uuids), len(series), many)
	}
}
