// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// For any seed, records keep what skydive-feed.md says of real ones: Metric is
// cumulative per UUID, LastUpdateMetric sums up to it over windows that join,
// idle flows are silent until their end record, and none comes after it.
func TestRecordsKeepSkydivesRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type state struct {
			last  analyzer.Flow
			sum   counts
			ended bool
		}
		flows := map[flowID]*state{}
		for _, f := range flowsOf(live(rapid.Uint64().Draw(t, "seed"), 6*time.Minute)) {
			id := flowID{f.UUID, f.CaptureID}
			metric, window := *f.Metric, *f.LastUpdateMetric
			s := flows[id]
			if s == nil {
				s = &state{}
				flows[id] = s
				if f.FinishType == finishTimeout {
					t.Fatalf("%s: its first record is its end", f.UUID)
				}
				if window.Start != f.Start {
					t.Fatalf("%s: first window begins at %d, the flow at %d", f.UUID, window.Start, f.Start)
				}
			} else {
				if s.ended {
					t.Fatalf("%s: a record after its end", f.UUID)
				}
				before, after := countsOf(s.last.Metric), countsOf(f.Metric)
				for i := range after {
					if after[i] < before[i] {
						t.Fatalf("%s: metric fell from %v to %v", f.UUID, before, after)
					}
				}
				checkJoint(t, s.last, f)
			}
			if metric.Start != f.Start || metric.Last != f.Last || f.Last < f.Start || f.Last > window.Last {
				t.Fatalf("%s: times of flow %d–%d, metric %d–%d, window %d–%d", f.UUID, f.Start, f.Last, metric.Start, metric.Last, window.Start, window.Last)
			}
			if f.FinishType == finishTimeout {
				s.ended = true
				if s.sum != countsOf(f.Metric) {
					t.Fatalf("%s: ended at %v, reported %v", f.UUID, countsOf(f.Metric), s.sum)
				}
			} else {
				for i, n := range countsOf(f.LastUpdateMetric) {
					s.sum[i] += n
				}
				if s.sum != countsOf(f.Metric) {
					t.Fatalf("%s: windows sum up to %v, metric is %v", f.UUID, s.sum, countsOf(f.Metric))
				}
				if countsOf(f.LastUpdateMetric) == (counts{}) {
					t.Fatalf("%s: an update without traffic", f.UUID)
				}
			}
			s.last = f
		}
		if len(flows) < 500 {
			t.Fatalf("only %d flows in six minutes", len(flows))
		}
	})
}

// checkJoint checks that a record's window follows the one before it: at once,
// or after whole periods of silence, or repeats it on some end records.
func checkJoint(t *rapid.T, before, f analyzer.Flow) {
	a, b := before.LastUpdateMetric, f.LastUpdateMetric
	if f.FinishType == finishTimeout {
		switch {
		case *b == *a: // repeated: the end by an application's timeout
			if !short(f.Application) {
				t.Fatalf("%s: %s repeats its last window", f.UUID, f.Application)
			}
			return
		case countsOf(b) != (counts{}):
			t.Fatalf("%s: ended with traffic %v", f.UUID, *b)
		}
	}
	gap := b.Start - a.Last
	if gap < 0 || gap%update.Milliseconds() != 0 {
		t.Fatalf("%s: window from %d after one to %d", f.UUID, b.Start, a.Last)
	}
	if b.Last-b.Start != update.Milliseconds() {
		t.Fatalf("%s: a window of %d ms", f.UUID, b.Last-b.Start)
	}
}

// A connection that was idle for longer than flow.expire comes back under a
// new UUID that counts from 0; some end records are lost on the way.
func TestIdleConnectionsComeBackAnew(t *testing.T) {
	type connection struct{ capture, network, transport string }
	type life struct {
		uuid        string
		start, last int64
	}
	lives, swapped, ends, seen := map[connection][]life{}, 0, map[flowID]bool{}, map[flowID]bool{}
	for _, f := range flowsOf(live(1, 15*time.Minute)) {
		id := flowID{f.UUID, f.CaptureID}
		seen[id] = true
		if f.FinishType == finishTimeout {
			ends[id] = true
		}
		if f.Transport == nil || f.Transport.A != 22 && f.Transport.B != 22 || f.FinishType != 0 {
			continue
		}
		sides := []string{fmt.Sprint(f.Network.A, " ", f.Transport.A), fmt.Sprint(f.Network.B, " ", f.Transport.B)}
		if f.Transport.A == 22 {
			swapped++
			slices.Reverse(sides)
		}
		key := connection{f.CaptureID, sides[0], sides[1]}
		all := lives[key]
		if len(all) == 0 || all[len(all)-1].uuid != f.UUID {
			all = append(all, life{uuid: f.UUID, start: f.Start})
		}
		all[len(all)-1].last = f.Last
		lives[key] = all
	}
	back := 0
	for key, all := range lives {
		for i := 1; i < len(all); i++ {
			back++
			if idle := all[i].start - all[i-1].last; idle < expire.Milliseconds() {
				t.Errorf("%v: back under a new UUID after %d ms", key, idle)
			}
		}
	}
	if back == 0 || swapped == 0 {
		t.Errorf("%d came back, %d updates with A and B swapped; want some of both", back, swapped)
	}
	if lost := len(seen) - len(ends); len(ends) == 0 || lost < len(seen)/10 {
		t.Errorf("%d of %d flows have an end record", len(ends), len(seen))
	}
}
