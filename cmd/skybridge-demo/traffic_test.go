// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

const (
	update = 10 * time.Second
	expire = time.Minute
	// finishTimeout is the FinishType of an end record.
	finishTimeout = 1
)

// live returns all records of a network of this seed.
func live(seed uint64, length time.Duration) (all []analyzer.Flow) {
	w := trafficOptions{Seed: seed, Update: update, Expire: expire}.traffic(time.UnixMilli(1_795_402_882_390))
	messages := w.Hello()
	for range length / update {
		messages = append(messages, w.Step()...)
	}
	for _, m := range messages {
		all = append(all, m.Flows...)
	}
	return all
}

type flowID struct{ uuid, capture string }

// counts is a metric without times and RTT.
type counts [4]int64

func countsOf(m *analyzer.Metric) counts {
	return counts{m.ABPackets, m.ABBytes, m.BAPackets, m.BABytes}
}

// Traffic is of all kinds that there are labels and queries for.
func TestTrafficIsVaried(t *testing.T) {
	found := map[string]int{}
	captures, seenBy, lives := map[string]bool{}, map[string]map[string]bool{}, map[string]map[string]bool{}
	put := func(all map[string]map[string]bool, key, value string) {
		if all[key] == nil {
			all[key] = map[string]bool{}
		}
		all[key][value] = true
	}
	for _, f := range live(1, 20*time.Minute) {
		captures[f.NodeTID+" "+f.CaptureID] = true
		found[f.Application]++
		found[fmt.Sprint("FinishType ", f.FinishType)]++
		if f.Metric.RTT > 0 {
			found["RTT"]++
		}
		if f.Transport == nil {
			found["without Transport"]++
			continue
		}
		found[f.Transport.Protocol+" "+f.Network.Protocol]++
		connection := fmt.Sprint(*f.Network, *f.Transport)
		put(seenBy, connection, f.CaptureID)
		put(lives, connection+f.CaptureID, f.UUID)
	}
	for _, want := range []string{
		"TCP IPV4", "TCP IPV6", "UDP IPV4", "UDP IPV6", "DNS", "ARP", "ICMPv4", "ICMPv6Echo", "without Transport", "FinishType 1", "RTT",
	} {
		if found[want] == 0 {
			t.Errorf("no record: %s", want)
		}
	}
	if len(captures) != sites {
		t.Errorf("captures on nodes: %v", captures)
	}
	both, again := 0, 0
	for _, all := range seenBy {
		if len(all) == sites {
			both++
		}
	}
	for _, all := range lives {
		if len(all) > 1 {
			again++
		}
	}
	if both == 0 || both == len(seenBy) || again == 0 {
		t.Errorf("%d of %d connections are seen by both captures, %d came back after they were idle", both, len(seenBy), again)
	}
}

// For any seed, records keep what skydive-feed.md says of real ones: Metric is
// cumulative per UUID, LastUpdateMetric adds up to it, idle flows are silent until their
// end record, and none comes after it; and both ends of a connection report the same.
func TestRecordsKeepSkydivesRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type state struct {
			sum         counts
			ended, live bool
		}
		flows, carried := map[flowID]*state{}, map[string]map[string]counts{}
		for _, f := range live(rapid.Uint64().Draw(t, "seed"), 6*time.Minute) {
			id := flowID{f.UUID, f.CaptureID}
			metric, window := countsOf(f.Metric), countsOf(f.LastUpdateMetric)
			s := flows[id]
			if s == nil {
				s = &state{}
				if flows[id] = s; metric != window { // it lived before the first update
					s.sum, s.live = metric, true
					for i, n := range window {
						s.sum[i] -= n
					}
				}
			}
			switch {
			case s.ended:
				t.Fatalf("%s: a record after its end", f.UUID)
			case f.FinishType == finishTimeout:
				s.ended = true
			case window == counts{}:
				t.Fatalf("%s: an update without traffic", f.UUID)
			default:
				for i, n := range window {
					s.sum[i] += n
				}
			}
			if s.sum != metric {
				t.Fatalf("%s: updates add up to %v, metric is %v", f.UUID, s.sum, metric)
			}
			if f.Metric.Start != f.Start || f.Metric.Last != f.Last || f.Last < f.Start || f.Last > f.LastUpdateMetric.Last {
				t.Fatalf("%s: times of %+v, %+v, %+v", f.UUID, f, f.Metric, f.LastUpdateMetric)
			}
			if f.Network != nil && f.FinishType != finishTimeout {
				key := fmt.Sprint(*f.Network, f.Transport, f.Application)
				if f.Transport != nil {
					key = fmt.Sprint(*f.Network, *f.Transport)
				}
				if carried[key] == nil {
					carried[key] = map[string]counts{}
				}
				sum := carried[key][f.CaptureID]
				for i, n := range window {
					sum[i] += n
				}
				carried[key][f.CaptureID] = sum
			}
		}
		if len(flows) < 300 {
			t.Fatalf("only %d flows in six minutes", len(flows))
		}
		for connection, by := range carried {
			var one *counts
			for _, sum := range by {
				if one != nil && *one != sum {
					t.Fatalf("%s: the captures disagree: %v", connection, by)
				}
				one = &sum
			}
		}
	})
}

// The same seed gives the same traffic, another one other traffic.
func TestSeeds(t *testing.T) {
	first := live(3, 4*time.Minute)
	if diff := cmp.Diff(first, live(3, 4*time.Minute)); diff != "" {
		t.Errorf("twice the same seed:\n%s", diff)
	}
	if cmp.Equal(first, live(4, 4*time.Minute)) {
		t.Error("another seed makes the same traffic")
	}
}

type recorder struct {
	flows, stats int
	late         time.Duration
}

func (r *recorder) Wait(context.Context, func([]analyzer.Subscriber) bool) error { return nil }

func (r *recorder) SetTopology([]json.RawMessage, []json.RawMessage) {}

func (r *recorder) SendStats(analyzer.Stats) { r.stats++ }

func (r *recorder) SendFlows(flows []analyzer.Flow) {
	r.flows += len(flows)
	for _, f := range flows {
		if f.FinishType != finishTimeout && r.stats > 0 { // the hello is of before
			r.late = max(r.late, time.Since(time.UnixMilli(f.LastUpdateMetric.Last)))
		}
	}
}

// Played in real time, records go out soon after their update, each capture has its
// statistics, and play returns when it should.
func TestPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var r recorder
		play(ctx, trafficOptions{Seed: 1, Update: update, Expire: expire}, &r)
		if r.flows < 100 || r.stats < 5*sites || r.late > time.Second {
			t.Errorf("%d flows and %d statistics in a minute, %s after their update at most", r.flows, r.stats, r.late)
		}
	})
}
