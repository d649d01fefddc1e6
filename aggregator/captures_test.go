// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// arrivals returns a record of a feed's one capture, and of those that repeat its
// records, which sets the same epoch for all: of flows that were before, each counts from
// its first report on.
func arrivals(feed *script.Script, epoch int64) (records []analyzer.Flow) {
	for _, messages := range append([][]script.Message{feed.Hello}, feed.Steps...) {
		for _, m := range messages {
			f := m.Flows[0]
			f = analyzer.Flow{UUID: "1", NodeTID: f.NodeTID, CaptureID: f.CaptureID, Metric: &analyzer.Metric{}, LastUpdateMetric: &analyzer.Metric{Last: epoch}}
			same, other := f, f
			same.CaptureID, other.CaptureID, other.NodeTID = "same-node", "other-node", "other-node"
			return []analyzer.Flow{f, same, other}
		}
	}
	return nil
}

// TestTwoCapturesOfANode proves that captures which report of a feed what another one reports,
// too, or less, later or earlier, their ends by up to flow.expire, make neither more nor
// less of it: with all that feeds do wrong, and clocks that are right or not.
func TestTwoCapturesOfANode(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg, view := drawView(r, "the")
		cfg.Labels, cfg.Observers = []string{"protocol"}, ObserversOne
		view.Labels = cfg.Labels
		cfg.ConnectionTimeout = time.Duration(rapid.IntRange(1, 60).Draw(r, "timeout")) * time.Second
		w := newWorld(t, cfg)
		seed := rapid.Uint64().Draw(r, "seed")
		rng := rand.New(rand.NewPCG(seed, 2))
		pace := time.Duration(rapid.SampledFrom([]int{0, 10, 60}).Draw(r, "pace")) * time.Second
		const ahead = 60_000 // the capture's clock, in scripts
		o := script.Options{
			Seed: seed, Connections: rapid.IntRange(1, 20).Draw(r, "connections"), Steps: rapid.IntRange(1, 30).Draw(r, "steps"),
			Analyzers: 2, Points: 1, Now: w.time.UnixMilli(),
		}
		if rapid.Bool().Draw(r, "right clocks") {
			o.Now -= ahead
			o.Step = (pace + testInterval).Milliseconds()
		}
		feed := script.Write(o)
		mixed := rapid.Bool().Draw(r, "mixed")
		want := reference.New()
		report := func(flows []analyzer.Flow) {
			for _, f := range flows {
				if f.CaptureID != "same-node" && f.CaptureID != "other-node" {
					want.Report(f)
				}
			}
			w.Update(flowsOf(flows))
		}
		// Ends of one flow at several captures lie up to flow.expire apart.
		apart := rapid.IntRange(0, int(defaultExpire/(pace+testInterval))).Draw(r, "ends apart")
		report(arrivals(feed, o.Now+ahead))
		steps := append([][]script.Message{feed.Hello}, feed.Steps...)
		late := make([][]analyzer.Flow, len(steps)+apart+1)
		for i := range late {
			w.pass(pace)
			seen := late[i]
			if i < len(steps) {
				for _, m := range steps[i] {
					seen = append(seen, m.Flows...)
					for _, f := range script.OtherCaptures(m.Flows, rng) {
						at := i
						if f.FinishType == finishTimeout {
							at += rng.IntN(apart + 1)
						}
						if at == i {
							seen = append(seen, f)
						} else {
							late[at] = append(late[at], f)
						}
					}
				}
			}
			if mixed {
				rng.Shuffle(len(seen), func(i, j int) { seen[i], seen[j] = seen[j], seen[i] })
			}
			report(seen)
			w.tick()
		}
		w.tick()
		if diff := cmp.Diff(want.By(view), w.receiver.increases()); diff != "" {
			r.Errorf("the sums differ from what the one capture reported that reported everything (-want +got):\n%s", diff)
		}
	})
}

// TestCapturesApart proves that another capture of a node, which reports less often, ends
// flows later and loses records, makes neither more nor less of what the first one reports.
func TestCapturesApart(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg, view := drawView(r, "the")
		cfg.Labels = []string{"protocol"}
		view.Labels = cfg.Labels
		w := newWorld(t, cfg)
		pace := time.Duration(rapid.SampledFrom([]int{10, 60}).Draw(r, "pace")) * time.Second
		feed := script.Write(script.Options{
			Seed:        rapid.Uint64().Draw(r, "seed"),
			Connections: rapid.IntRange(1, 30).Draw(r, "connections"),
			Steps:       rapid.IntRange(1, 60).Draw(r, "steps"),
			Points:      points(cfg), Captures: true,
			Step: pace.Milliseconds(), Now: w.time.UnixMilli(),
		})
		want := reference.New()
		w.playFeed(feed, pace, func(flows []analyzer.Flow) {
			for _, f := range flows {
				if f.CaptureID != script.SecondCapture {
					want.Report(f)
				}
			}
		})
		if diff := cmp.Diff(want.By(view), w.receiver.increases()); diff != "" {
			r.Errorf("the sums differ from what the first capture reported (-want +got):\n%s", diff)
		}
	})
}
