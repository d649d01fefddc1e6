// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// TestANameThatBecomesKnown proves that what comes then goes to a series of its
// own, the former one ends, and the total stays.
func TestANameThatBecomesKnown(t *testing.T) {
	w := knownWorld(t, Config{Config: label.Config{Labels: []string{"target_ip", "target_name"}}})
	w.count(w.flow("1", 1000, 0))
	if _, wanted := w.TakeWantedNames(); !slices.Equal(wanted, []string{"10.0.0.2"}) {
		t.Errorf("%q are wanted", wanted)
	}
	w.AddressNames([]input.AddressName{{Address: []byte("10.0.0.2"), Name: []byte("web")}}, input.Refresh{})
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

// changingNames are names that appear, change and vanish. Some do not fit a label.
type changingNames struct {
	rng              *rand.Rand
	nodes, addresses []string // that flows had
}

// nameLabels are the labels whose values are names.
func nameLabels() []string {
	return []string{"node_name", "host", "node_type", "initiator_name", "target_name"}
}

// drawNames draws labels of names beside those that a configuration has, and their bound.
func drawNames(r *rapid.T, cfg *Config) *changingNames {
	cfg.Labels = append(cfg.Labels, rapid.SliceOfNDistinct(rapid.SampledFrom(nameLabels()), 0, -1, rapid.ID[string]).Draw(r, "labels of names")...)
	cfg.MaxNames = rapid.IntRange(0, 3).Draw(r, "names at most")
	return &changingNames{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "names"), 0))}
}

// change changes some names of what flows had, and at times all.
func (n *changingNames) change(a *world) {
	nodes, addresses := a.TakeWantedNames()
	n.nodes, n.addresses = slices.Compact(slices.Sorted(slices.Values(append(n.nodes, nodes...)))), slices.Compact(slices.Sorted(slices.Values(append(n.addresses, addresses...))))
	value := func() []byte {
		return []byte([]string{"", "one", "two", "three", strings.Repeat("long", 100), "no \xfftext"}[n.rng.IntN(6)])
	}
	var nodeRows []input.NodeName
	for _, tid := range n.nodes {
		if n.rng.IntN(3) == 0 {
			nodeRows = append(nodeRows, input.NodeName{TID: []byte(tid), Gone: n.rng.IntN(4) == 0, Name: value(), Host: value(), Type: value()})
		}
	}
	var addressRows []input.AddressName
	for _, address := range n.addresses {
		if n.rng.IntN(3) == 0 {
			addressRows = append(addressRows, input.AddressName{Address: []byte(address), Gone: n.rng.IntN(4) == 0, Name: value()})
		}
	}
	a.NodeNames(nodeRows, input.Refresh{Whole: n.rng.IntN(10) == 0, End: n.rng.IntN(2) == 0})
	a.AddressNames(addressRows, input.Refresh{Whole: n.rng.IntN(10) == 0, End: n.rng.IntN(2) == 0})
}

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
			names.change(w)
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
