// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

const (
	update = 10 * time.Second
	expire = time.Minute
)

var begin = time.UnixMilli(1_795_402_882_390)

// live lets a world of this seed live and returns all that was sent.
func live(seed uint64, length time.Duration) []message {
	w := newWorld(trafficOptions{Seed: seed, Update: update, Expire: expire}, begin)
	var all []message
	for elapsed := time.Duration(0); elapsed < length; elapsed += 700 * time.Millisecond {
		all = append(all, w.Advance(begin.Add(elapsed))...)
	}
	return all
}

func flowsOf(messages []message) []analyzer.Flow {
	var all []analyzer.Flow
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

// Everything that the README promises of the demo's traffic is there.
func TestTrafficIsVaried(t *testing.T) {
	found := map[string]int{}
	captures, l3 := map[string]bool{}, map[string]map[string]bool{}
	for _, f := range flowsOf(live(1, 20*time.Minute)) {
		captures[f.NodeTID+" "+f.CaptureID] = true
		if f.Transport != nil {
			found[f.Transport.Protocol+" "+f.Network.Protocol]++
			if f.FinishType == 0 {
				if l3[f.L3TrackingID] == nil {
					l3[f.L3TrackingID] = map[string]bool{}
				}
				l3[f.L3TrackingID][f.CaptureID] = true
			}
		} else {
			found["without Transport"]++
		}
		if f.Network == nil {
			found["without Network"]++
		}
		found[f.Application]++
		found[fmt.Sprint("FinishType ", f.FinishType)]++
		if f.Metric.RTT > 0 {
			found["RTT"]++
		}
		if f.FinishType == finishTimeout && countsOf(f.LastUpdateMetric) != (counts{}) {
			found["end that repeats its window"]++
		}
		if f.LastUpdateMetric.Last-f.Start > 2*update.Milliseconds() && f.FinishType == 0 {
			found["long flow"]++
		}
	}
	for _, want := range []string{
		"TCP IPV4", "TCP IPV6", "UDP IPV4", "UDP IPV6", "DNS", "ARP", "ICMPv4", "ICMPv6Echo", "ICMPv6NeighborSolicitation",
		"without Transport", "without Network", "FinishType 1", "FinishType 2", "FinishType 3",
		"RTT", "end that repeats its window", "long flow",
	} {
		if found[want] == 0 {
			t.Errorf("no record: %s", want)
		}
	}
	if len(captures) != 2 {
		t.Errorf("captures on nodes: %v", captures)
	}
	both := 0
	for _, seenBy := range l3 {
		if len(seenBy) == 2 {
			both++
		}
	}
	if both == 0 || both == len(l3) {
		t.Errorf("%d of %d connections are seen by both captures", both, len(l3))
	}
}

// Messages are as an analyzer makes them: in order of time, bounded, and each
// capture speaks of itself every 10 s.
func TestMessages(t *testing.T) {
	const length = 3 * time.Minute
	var at time.Time
	stats := map[string][]analyzer.Stats{}
	for _, m := range live(7, length) {
		if m.At.Before(at) {
			t.Fatalf("a message of %s after one of %s", m.At, at)
		}
		at = m.At
		if m.Stats != nil {
			stats[m.Stats.CaptureID] = append(stats[m.Stats.CaptureID], *m.Stats)
		} else if len(m.Flows) == 0 || len(m.Flows) > messageFlows {
			t.Errorf("a message of %d flows", len(m.Flows))
		}
	}
	if len(stats) != 2 {
		t.Fatalf("%d captures have stats", len(stats))
	}
	for capture, all := range stats {
		if n := int(length/statsPeriod) - 1; len(all) < n {
			t.Errorf("capture %s: %d stats, want %d", capture, len(all), n)
		}
		for i := 1; i < len(all); i++ {
			if all[i].PacketsReceived <= all[i-1].PacketsReceived || all[i].PacketsDropped < all[i-1].PacketsDropped || all[i].FlowCount == 0 {
				t.Errorf("capture %s: %+v after %+v", capture, all[i], all[i-1])
			}
		}
	}
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
	mu    sync.Mutex
	flows []analyzer.Flow
	stats int
	late  time.Duration
}

func (r *recorder) SendFlows(flows []analyzer.Flow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flows = append(r.flows, flows...)
	for _, f := range flows {
		if f.FinishType != finishTimeout {
			r.late = max(r.late, time.Since(time.UnixMilli(f.LastUpdateMetric.Last)))
		}
	}
}

func (r *recorder) SetTopology([]json.RawMessage, []json.RawMessage) {}

func (r *recorder) SendStats(analyzer.Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats++
}

// Played in real time, records go out within a message's period after their
// window, and play returns when it is told to.
func TestPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var r recorder
		play(ctx, newWorld(trafficOptions{Seed: 1, Update: update, Expire: expire}, time.Now()), &r)
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.flows) == 0 || r.stats == 0 {
			t.Errorf("%d flows and %d stats in a minute", len(r.flows), r.stats)
		}
		if r.late > messagePeriod+time.Second {
			t.Errorf("a record went out %s after its window", r.late)
		}
	})
}
