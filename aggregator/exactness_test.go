// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// TestExactness plays scripted feeds with ticks in between to aggregators with any labels,
// policies, filters and bounds, which reloads may change, and holds the receiver's sums
// against the reference: series by series, with bounds by metric, direction and protocol,
// whatever is in the overflow and when. On the way it proves that no bound is passed; in
// the end, that the filters and the overflow have counted what they kept out.
func TestExactness(t *testing.T) {
	overflowed := map[string]int{}
	rapid.Check(t, func(r *rapid.T) {
		cfg, view := drawView(r, "the")
		drawExcludes(r, &cfg, &view)
		// Short, so that many connections end and return.
		cfg.ConnectionTimeout = time.Duration(rapid.IntRange(1, 60).Draw(r, "timeout")) * time.Second
		bounds := rapid.Bool().Draw(r, "bounds")
		if bounds {
			drawBounds(r, &cfg)
		}
		w := newWorld(t, cfg)
		reloads := bounds && rapid.Bool().Draw(r, "reloads")
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
		got := w.receiver.increases()
		if diff := cmp.Diff(judged(cfg, want.By(view)), judged(cfg, got)); diff != "" {
			r.Fatalf("the receiver's sums differ from what was reported (-want +got):\n%s", diff)
		}
		filtered := 0.0
		for _, c := range []string{filterClasses, filterNetworks, filterProtocols, filterApplications, filterTunnels} {
			filtered += w.metricSum("skybridge_filtered_bytes_total", c)
		}
		if filtered != float64(want.Excluded(view)) {
			r.Fatalf("%v bytes filtered, want %d", filtered, want.Excluded(view))
		}
		overflow, counted := uint64(0), uint64(0)
		for name, n := range got {
			if strings.HasPrefix(name, "bytes") && strings.Contains(name, "initiator_ip=other") {
				overflow += n
			}
		}
		for _, o := range w.Status().Overflow {
			counted += o.Bytes
			if o.Bytes > 0 {
				overflowed[o.Reason]++
			}
		}
		if overflow != counted && slices.Contains(cfg.Labels, "initiator_ip") {
			r.Fatalf("%d bytes are in the overflow, %d are counted as overflow", overflow, counted)
		}
	})
	if len(overflowed) != int(overflowReasons)-1 {
		t.Errorf("not every bound was reached: %v", overflowed)
	}
}

// playAny plays any feed to w, with ticks in between and one at the end, and returns
// what was reported. After each message it calls after with whether a tick followed
// it.
func playAny(r *rapid.T, w *world, after func(ticked bool)) *reference.Reference {
	feed := script.Write(script.Options{
		Seed:        rapid.Uint64().Draw(r, "seed"),
		Connections: rapid.IntRange(1, 60).Draw(r, "connections"),
		Steps:       rapid.IntRange(1, 40).Draw(r, "steps"),
		Analyzers:   rapid.IntRange(1, 3).Draw(r, "analyzers"),
		Points:      points(w.cfg),
		Now:         w.time.UnixMilli(),
	})
	want := reference.New()
	var rest []script.Message
	send := func() {
		m := rest[0]
		rest = rest[1:]
		want.Report(m.Flows...)
		w.Update(flowsOf(m.Flows))
	}
	// Updates continue while a tick walks through the connections.
	w.receiver.between = func() {
		for len(rest) > 0 && rapid.Bool().Draw(r, "meanwhile") {
			send()
		}
	}
	for _, messages := range append([][]script.Message{feed.Hello}, feed.Steps...) {
		for rest = messages; len(rest) > 0; {
			send()
			ticked := rapid.IntRange(0, 3).Draw(r, "tick") == 0
			if ticked {
				w.pass(time.Duration(rapid.IntRange(2, 20_000).Draw(r, "ms")) * time.Millisecond)
				w.tickNow()
			}
			after(ticked)
		}
	}
	w.tick()
	return want
}

func flowsOf(records []analyzer.Flow) []input.Flow {
	metric := func(m *analyzer.Metric) input.Metric {
		return input.Metric{
			ABBytes: m.ABBytes, ABPackets: m.ABPackets, BABytes: m.BABytes, BAPackets: m.BAPackets,
			Start: m.Start, Last: m.Last, RTT: m.RTT,
		}
	}
	flows := make([]input.Flow, len(records))
	for i, r := range records {
		f := input.Flow{
			UUID: []byte(r.UUID), NodeTID: []byte(r.NodeTID), CaptureID: []byte(r.CaptureID),
			Start: r.Start, FinishType: r.FinishType, Metric: metric(r.Metric),
			Application: []byte(r.Application), ParentUUID: []byte(r.ParentUUID),
			Outer: slices.Contains([]string{"VXLAN", "GRE", "GENEVE", "MPLS"}, r.LayersPath[strings.LastIndex(r.LayersPath, "/")+1:]),
		}
		if n := r.Network; n != nil {
			f.NetworkA, f.NetworkB, f.VNI = []byte(n.A), []byte(n.B), n.ID
		}
		if l := r.Link; l != nil {
			f.VLAN = l.ID
		}
		if tr := r.Transport; tr != nil {
			f.HasTransport, f.TransportProtocol = true, []byte(tr.Protocol)
			f.TransportA, f.TransportB = tr.A, tr.B
		}
		if r.LastUpdateMetric != nil {
			f.HasLastUpdate, f.LastUpdate = true, metric(r.LastUpdateMetric)
		}
		flows[i] = f
	}
	return flows
}
