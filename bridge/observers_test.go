// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// TestObserversCountOnce plays a feed that three captures on two nodes report, through
// two analyzers, to a bridge with observers: one, with other labels, ports and bounds
// after each reload and each restart: a real Prometheus has what the one capture reported
// that saw everything, less the inside of tunnels, to the byte.
func TestObserversCountOnce(t *testing.T) {
	r := newRig(t, 2, prom.Options{})
	r.dir = t.TempDir()
	choose := func(n int) {
		r.configure("", "aggregation: {connection_timeout: 1s, top_k_window: 10s, observers: one, tunnels: outer, "+[]string{
			"labels: [initiator_ip, target_ip, initiator_port, target_port, direction, protocol]",
			"labels: [initiator_ip, target_port, protocol], ports: service",
			"labels: [initiator_ip, target_ip, initiator_port, target_port, direction, protocol], max_series: 200",
			"labels: [flow_class, application, protocol], cluster_networks: [10.77.0.0/16]",
			"labels: [initiator_ip, target_ip, protocol], top_k: 20, max_series_per_node: 100",
		}[n%5]+"}\n")
	}
	seed := newSeed(t)
	rng := rand.New(rand.NewPCG(seed, 2))
	now := time.Now().UnixMilli()
	feed := script.Write(script.Options{Seed: seed, Connections: 100, Steps: 20, Analyzers: 2, Points: 1, Now: now})
	want := reference.New()
	// All captures have the same epoch: of flows that were before, none counts more than
	// the one that reports everything. Its clock is a minute ahead in scripts.
	there := feed.Hello[0].Flows[0]
	there.UUID, there.Metric, there.LastUpdateMetric = "fff", &analyzer.Metric{}, &analyzer.Metric{Last: now + 60_000}
	there.Transport, there.FinishType = nil, 0
	hello := true // through one analyzer
	r.changing(feed, choose, func(messages ...script.Message) {
		if hello {
			same, other := there, there
			same.CaptureID, other.CaptureID, other.NodeTID = "same-node", "other-node", "other-node"
			for _, f := range []analyzer.Flow{there, same, other} {
				want.Report(f)
				r.Send(script.Message{Flows: []analyzer.Flow{f}})
			}
		}
		for _, m := range messages {
			other := rng.IntN(2)
			if hello {
				m.Analyzer, other = 0, 0
			}
			want.Report(m.Flows...)
			r.Send(m)
			if flows := script.OtherCaptures(m.Flows, rng); len(flows) > 0 {
				r.Send(script.Message{Analyzer: other, Flows: flows})
			}
		}
		hello = false
	})
	shared := r.metric("skybridge_shared_connections")
	r.halt()
	overflow := judge.SumsBy(r.raw(), "initiator_ip")["bytes{initiator_ip=other}"]
	totals := want.By(reference.View{Labels: []string{"protocol"}, Tunnels: "outer"})
	if diff := cmp.Diff(totals, judge.SumsBy(r.raw(), "protocol")); diff != "" {
		t.Errorf("against what the one capture reported (-want +got):\n%s", diff)
	}
	if len(totals) != 6 || shared == 0 || overflow == 0 {
		t.Errorf("%v are judged, %v connections are shared, %d bytes are in the overflow", totals, shared, overflow)
	}
	r.judgeWrites()
}
