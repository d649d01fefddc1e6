// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// known names, as of a topology.
type directory struct {
	nodes     map[string]label.NodeNames
	addresses map[string]string
}

func (d *directory) Node(tid []byte) label.NodeNames { return d.nodes[string(tid)] }
func (d *directory) Address(addr []byte) string      { return d.addresses[string(addr)] }

// TestANameThatBecomesKnown proves that what comes then goes to a series of its
// own, the former one ends, and the total stays.
func TestANameThatBecomesKnown(t *testing.T) {
	names := &directory{addresses: map[string]string{}}
	w := knownWorld(t, Config{Config: label.Config{Labels: []string{"target_ip", "target_name"}, Names: names}})
	w.count(w.flow("1", 1000, 0))
	names.addresses["10.0.0.2"] = "web"
	w.Update([]input.Flow{w.flow("1", 1700, 0)})
	for range 12 {
		w.tick()
	}
	want := map[string]uint64{
		"bytes{target_ip=10.0.0.2}": 1000, "packets{target_ip=10.0.0.2}": 10,
		"bytes{target_ip=10.0.0.2,target_name=web}": 700, "packets{target_ip=10.0.0.2,target_name=web}": 7,
	}
	if diff := cmp.Diff(want, w.receiver.increases()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	former := w.receiver.series["bytes{target_ip=10.0.0.2}"]
	if !former[len(former)-1].stale {
		t.Error("the series without the name did not end")
	}
}

// changingNames is a [label.Names] whose answers appear, change and vanish between any two
// questions. It has names that do not fit a label, too.
type changingNames struct {
	rng    *rand.Rand
	known  map[string]string
	silent int // questions that nothing is known for, as after a restart
}

// drawNames draws labels of names beside those that a configuration has, and who
// answers for them.
func drawNames(r *rapid.T, cfg *Config) *changingNames {
	n := &changingNames{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "names"), 0))}
	n.forget()
	of := []string{"node_name", "host", "node_type", "initiator_name", "target_name"}
	if chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, -1, rapid.ID[string]).Draw(r, "labels of names"); len(chosen) > 0 {
		cfg.Labels = append(cfg.Labels, chosen...)
		cfg.Names = n
	}
	return n
}

// forget starts without names.
func (n *changingNames) forget() { n.known, n.silent = map[string]string{}, n.rng.IntN(20) }

func (n *changingNames) value(key string) string {
	if n.silent > 0 {
		n.silent--
		return ""
	}
	name, known := n.known[key]
	if !known || n.rng.IntN(8) == 0 {
		name = []string{"", "one", "two", "three", strings.Repeat("long", 100), "no \xfftext"}[n.rng.IntN(6)]
		n.known[key] = name
	}
	return name
}

// Node implements [label.Names].
func (n *changingNames) Node(tid []byte) label.NodeNames {
	return label.NodeNames{Name: n.value("name of " + string(tid)), Host: n.value("host of " + string(tid)), Type: n.value("type of " + string(tid))}
}

// Address implements [label.Names].
func (n *changingNames) Address(addr []byte) string { return n.value(string(addr)) }

// TestExactnessWhateverTheNames plays scripted feeds while names come, change and go,
// with any other labels and within any bounds: sums by what no name says are those
// that were reported.
func TestExactnessWhateverTheNames(t *testing.T) {
	renamed := false
	rapid.Check(t, func(r *rapid.T) {
		cfg, view := drawView(r, "the")
		cfg.ConnectionTimeout = time.Duration(rapid.IntRange(1, 60).Draw(r, "timeout")) * time.Second
		drawBounds(r, &cfg)
		names := drawNames(r, &cfg)
		w := newWorld(t, cfg)
		want := playAny(r, w, func(ticked bool) {
			if ticked {
				checkBounds(r, w.Aggregator)
			}
			if rapid.IntRange(0, 20).Draw(r, "outage") == 0 {
				names.forget()
			}
		})
		got := w.receiver.increases()
		if diff := cmp.Diff(judged(cfg, want.By(view)), judged(cfg, got)); diff != "" {
			r.Fatalf("the receiver's sums differ from what was reported (-want +got):\n%s", diff)
		}
		renamed = renamed || len(got) > len(judged(cfg, got))
	})
	if !renamed {
		t.Error("no connection ever changed its name: nothing was judged")
	}
}
