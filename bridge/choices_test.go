// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// changing plays a feed to a bridge that gets another configuration every few
// messages, by a reload or a restart in turns. configure writes the n-th one, send
// reports messages.
func (r *rig) changing(feed *script.Script, configure func(n int), send func(...script.Message)) {
	r.t.Helper()
	configure(0)
	r.start()
	send(feed.Hello...)
	r.awaitReceived()
	for i, messages := range feed.Steps {
		send(messages...)
		switch {
		case i%5 == 4:
			r.awaitReceived()
			r.halt()
			configure(i)
			r.start()
		case i%3 == 2:
			r.awaitReceived()
			r.awaitTicks(1)
			configure(i)
			r.reloadNow()
		}
	}
	r.awaitReceived()
}

// choice draws everything that an operator can choose about labels, ports, bounds and
// observers. The protocol is among the labels, so that there is more to judge than one
// sum.
func choice(rng *rand.Rand) string {
	var list []string
	for _, name := range label.All() {
		if name == "protocol" || rng.IntN(3) == 0 {
			list = append(list, name)
		}
	}
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	return strings.Join([]string{
		fmt.Sprintf("labels: [%s]", strings.Join(list, ", ")),
		pick("ports: keep", "ports: drop", "ports: service"),
		pick("service_ports: [53/udp]", "service_ports: [32770-32779/tcp]"),
		pick("networks: {}", "networks: {lab: [10.77.0.0/16, 'fd77::/64'], rack: [10.77.0.0/28]}"),
		pick("cluster_networks: []", "cluster_networks: [10.99.0.0/16]"),
		pick("max_series: 100000", "max_series: 200", "max_series: 1000"),
		pick("max_series_per_node: 0", "max_series_per_node: 50"),
		pick("top_k: 0", "top_k: 10", "top_k: 100"),
		pick("observers: all", "observers: one"),
	}, ", ")
}

// TestAnyChoiceSumsToTheSame plays a feed to a bridge whose labels are changed again
// and again, and judges what a real Prometheus holds to the byte. What filters keep out
// and which side of a tunnel counts stays, for that is another sum.
func TestAnyChoiceSumsToTheSame(t *testing.T) {
	r := newRig(t, 2, prom.Options{})
	r.dir = t.TempDir()
	seed := newSeed(t)
	rng := rand.New(rand.NewPCG(seed, 3))
	var choices []string
	feed := script.Write(script.Options{Seed: seed, Connections: 200, Steps: 20, Analyzers: 2, Points: 1, Now: time.Now().UnixMilli()})
	r.changing(feed, func(int) {
		choices = append(choices, choice(rng))
		r.configure("", "aggregation: {connection_timeout: 1s, top_k_window: 10s, tunnels: outer, exclude_networks: [10.77.0.2/32], "+choices[len(choices)-1]+"}\n")
	}, r.send)
	r.halt()
	want := r.Reference.By(reference.View{Labels: []string{"protocol"}, Tunnels: "outer", ExcludeNetworks: []string{"10.77.0.2/32"}})
	if diff := cmp.Diff(want, judge.SumsBy(r.raw(), "protocol")); diff != "" || len(want) != 6 {
		t.Errorf("(-want +got)\n%s\nchosen, one after the other:\n%s", diff, strings.Join(choices, "\n"))
	}
	r.judgeWrites()
}
