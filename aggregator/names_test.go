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
)

// changingNames is a [Names] whose answers appear, change and vanish between any two
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

// Node implements [Names].
func (n *changingNames) Node(tid []byte) NodeNames {
	return NodeNames{n.value("name of " + string(tid)), n.value("host of " + string(tid)), n.value("type of " + string(tid))}
}

// Address implements [Names].
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
