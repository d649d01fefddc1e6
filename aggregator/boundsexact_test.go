// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/reference"
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
		for name, n := range grouped(sums, []string{labelDirection, labelProtocol}) {
			known[strings.NewReplacer("ICMPv4", overflowValue, "GRE", overflowValue).Replace(name)] += n
		}
		return known
	case cfg.Names != nil:
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
		if !c.used || c.phase == ended {
			continue
		}
		series += a.connections.seriesOf(c)
		if !c.overflow && !c.demoted {
			own++
		}
		if c.overflow != (c.node == nil) || c.demoted && !c.ending && c.phase != closing {
			t.Fatalf("a connection contradicts itself: %+v", *c)
		}
		byNode[c.node] += a.connections.seriesOf(c)
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

// TestExactnessWithinBounds plays scripted feeds to aggregators with any bounds,
// which reloads change, and holds the receiver's sums against the reference: by
// metric, direction and protocol, whatever is in the overflow and when. On the way it proves
// that no bound is passed.
func TestExactnessWithinBounds(t *testing.T) {
	overflowed := map[string]int{}
	rapid.Check(t, func(r *rapid.T) {
		cfg := Config{ConnectionTimeout: time.Duration(rapid.IntRange(1, 60).Draw(r, "timeout")) * time.Second}
		drawBounds(r, &cfg)
		w := newWorld(t, cfg)
		reloads := rapid.Bool().Draw(r, "reloads")
		want := playAny(r, w, func(ticked bool) {
			if ticked {
				checkBounds(r, w.Aggregator)
			}
			if !reloads {
				// A protocol's overflow is beyond the bound, with 4 series.
				if n, most := w.connections.series, cfg.MaxSeries+4*4; cfg.MaxSeries > 0 && n > most {
					r.Fatalf("%d series, want at most %d", n, most)
				}
				if n := w.connections.own; cfg.TopK > 0 && n > cfg.TopK {
					r.Fatalf("%d connections, want at most %d", n, cfg.TopK)
				}
				for _, n := range w.origins.nodes.byTID {
					if cfg.MaxSeriesPerNode > 0 && n.series > cfg.MaxSeriesPerNode {
						r.Fatalf("%d series of a node, want at most %d", n.series, cfg.MaxSeriesPerNode)
					}
				}
			} else if rapid.IntRange(0, 5).Draw(r, "reload") == 0 {
				next := w.cfg
				drawBounds(r, &next)
				if err := w.Configure(next); err != nil {
					r.Fatal(err)
				}
			}
		})
		checkBounds(r, w.Aggregator)
		if reloads {
			cfg.TopK = 1 // there were bounds at some time
		}
		got := judged(cfg, w.receiver.increases())
		if diff := cmp.Diff(judged(cfg, want.By(reference.View{Labels: DefaultLabels()})), got); diff != "" {
			r.Fatalf("the receiver's sums differ from what was reported (-want +got):\n%s", diff)
		}
		overflow := uint64(0)
		for name, n := range w.receiver.increases() {
			if strings.HasPrefix(name, "bytes") && strings.Contains(name, "initiator_ip=other") {
				overflow += n
			}
		}
		for _, o := range w.Status().Overflow {
			overflow -= o.Bytes
			if o.Bytes > 0 {
				overflowed[o.Reason]++
			}
		}
		if overflow != 0 {
			r.Fatalf("the overflow and what is counted as overflow differ by %d bytes", int64(overflow))
		}
	})
	if len(overflowed) != int(overflowReasons)-1 {
		t.Errorf("not every bound was reached: %v", overflowed)
	}
}
