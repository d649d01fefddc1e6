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

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// TestExactness plays scripted feeds with ticks in between and holds the
// receiver's sums against the reference, series by series.
func TestExactness(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg, view := drawView(r, "the")
		// Short, so that many connections end and return.
		cfg.ConnectionTimeout = time.Duration(rapid.IntRange(1, 60).Draw(r, "timeout")) * time.Second
		w := newWorld(t, cfg)
		want := playAny(r, w, func(bool) {})
		if diff := cmp.Diff(want.By(view), w.receiver.increases()); diff != "" {
			r.Fatalf("the receiver's sums differ from what was reported (-want +got):\n%s", diff)
		}
	})
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

func flowsOf(records []analyzer.Flow) []Flow {
	metric := func(m *analyzer.Metric) Metric {
		return Metric{
			ABBytes: m.ABBytes, ABPackets: m.ABPackets, BABytes: m.BABytes, BAPackets: m.BAPackets,
			Start: m.Start, Last: m.Last, RTT: m.RTT,
		}
	}
	flows := make([]Flow, len(records))
	for i, r := range records {
		f := Flow{
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
