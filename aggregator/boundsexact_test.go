// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/aggregator/label"
)

// drawBounds draws bounds on series that connections of a script reach, or none.
func drawBounds(r *rapid.T, cfg *Config) {
	bound := func(name string, least, most int) int {
		if !rapid.Bool().Draw(r, name) {
			return 0
		}
		return rapid.IntRange(least, most).Draw(r, "its "+name)
	}
	cfg.MaxSeries = bound("max_series", 5, 150)
	cfg.MaxSeriesPerNode = bound("max_series_per_node", 5, 80)
	cfg.TopK = bound("top_k", 1, 30)
	cfg.TopKWindow = time.Duration(rapid.IntRange(1, 60).Draw(r, "top_k_window")) * time.Second
}

// judged is what of sums by series a configuration keeps: with bounds, sums by
// metric, direction and protocol, for those the overflow has as well; with names,
// sums by what no name says.
func judged(cfg Config, sums map[string]uint64) map[string]uint64 {
	switch {
	case cfg.MaxSeries != 0 || cfg.MaxSeriesPerNode != 0 || cfg.TopK != 0:
		known := map[string]uint64{}
		for name, n := range grouped(sums, []string{"direction", "protocol"}) {
			known[strings.NewReplacer("ICMPv4", label.Overflow, "GRE", label.Overflow).Replace(name)] += n
		}
		return known
	case slices.ContainsFunc(cfg.Labels, func(l string) bool { return slices.Contains(nameLabels(), l) }):
		return grouped(sums, modelled())
	}
	return sums
}

// checkBounds recounts what the aggregator counts as it goes.
func checkBounds(t rapid.TB, a *Aggregator) {
	own, series := 0, 0
	byNode := map[*node]int{}
	for i := range a.connections.records.size {
		c := a.connections.records.at(i)
		if !c.used {
			continue
		}
		if want := 2*a.connections.layout.Directions() + c.gauges.series(); c.phase != ended && int(c.counted) != want {
			t.Fatalf("a connection has %d series and counts with %d", want, c.counted)
		}
		series += int(c.counted)
		if c.own {
			own++
		}
		if c.own == (c.overflow || c.demoted) && c.phase != ended {
			t.Fatalf("a connection's series are counted wrong: %+v", *c)
		}
		if c.overflow != (c.node == nil) || c.demoted && !c.ending && c.phase != closing {
			t.Fatalf("a connection contradicts itself: %+v", *c)
		}
		byNode[c.node] += int(c.counted)
	}
	if own != a.connections.own || series != a.connections.series {
		t.Fatalf("%d own connections and %d series, counted %d and %d", own, series, a.connections.own, a.connections.series)
	}
	busy := 0
	for tid, n := range a.origins.nodes.byTID {
		if n.series != byNode[n] || n.tid != tid {
			t.Fatalf("node %s (%s) has %d series, counted %d", tid, n.tid, byNode[n], n.series)
		}
		if n.series > 0 {
			busy++
		}
		delete(byNode, n)
	}
	if delete(byNode, nil); busy != a.origins.nodes.busy || len(byNode) > 0 {
		t.Fatalf("%d busy nodes, counted %d; %d unknown", busy, a.origins.nodes.busy, len(byNode))
	}
}
