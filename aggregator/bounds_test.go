// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
)

func TestOverflowKeepsTotals(t *testing.T) {
	w := knownWorld(t, Config{MaxSeries: 8})
	for i := range int64(5) {
		f := w.flow(string('1'+rune(i)), 1000, 10)
		f.TransportA = 1000 + i
		f.Metric.RTT = 5
		w.Update([]input.Flow{f})
	}
	w.tick()
	w.want("bytes", 5*1010)
	const overflow = "bytes{direction=initiator_to_target,initiator_ip=other,initiator_port=other,node_tid=other,protocol=TCP,target_ip=other,target_port=other}"
	if got := w.receiver.increase(overflow); got == 0 || w.metric("skybridge_overflow_bytes_total", "") == 0 {
		t.Errorf("nothing in the overflow tuple\n%s", w.receiver)
	}
	if n := w.metric("skybridge_series", ""); n > 8+4 {
		t.Errorf("%v series, want at most 8 and the overflow's 4", n)
	}
}

func TestReturningConnectionsRespectMaxSeries(t *testing.T) {
	w := knownWorld(t, Config{MaxSeries: 8})
	update := func(port, total int64) {
		f := w.flow(string('a'+rune(port)), total, 0)
		f.TransportA = port
		w.Update([]input.Flow{f})
	}
	update(1, 100)
	update(2, 100)
	for range 6 { // both end and are removed
		w.tick()
	}
	update(3, 100) // others take their room before they return
	update(4, 100)
	update(1, 150)
	update(2, 150)
	w.wantMetric("skybridge_series", "", 8+4)
	w.tick()
	w.want(abBytes, 500)
}

func TestMaxFlowsEvictsTheLongestUnseen(t *testing.T) {
	w := knownWorld(t, Config{MaxFlows: 3})
	for i := range int64(6) {
		f := w.flow(string('1'+rune(i)), 1000, 0)
		f.TransportA = 1000 + i
		w.Update([]input.Flow{f})
		w.pass(time.Second)
	}
	// An evicted flow comes back: what it counted does not count again.
	f := w.flow("1", 1000, 0)
	f.Start, f.TransportA, f.LastUpdate.ABBytes = w.ms(20*time.Second), 1000, 0
	w.count(f)
	w.want(abBytes, 6000)
	w.wantMetric("skybridge_flows", "", 3)
	w.wantMetric("skybridge_flows_evicted_total", evictBound, 4)
}

func TestCounterResetsBelowItsLimit(t *testing.T) {
	w := knownWorld(t, Config{})
	const big = 1<<52 - 10
	total := int64(0)
	for range 3 {
		total += big
		w.count(w.flow("1", total, 0))
	}
	for range 8 {
		w.tick()
	}
	if got := w.total(abBytes); got != uint64(total) {
		t.Errorf("counted %d bytes, want %d\n%s", got, total, w.receiver)
	}
}

// TestEndAllEndsDeferredTraffic ends everything while a counter at its limit has
// carried traffic over, as a reload or the end of the process may find it.
func TestEndAllEndsDeferredTraffic(t *testing.T) {
	w := knownWorld(t, Config{})
	w.count(w.flow("1", 1<<52-10, 0))
	w.Update([]input.Flow{w.flow("1", 1<<52+20, 0)})
	w.endAll()
	w.want(abBytes, 1<<52+20)
	for name, s := range w.receiver.series {
		if !s[len(s)-1].stale {
			t.Errorf("%s has not ended", name)
		}
	}
}

func TestMoreThanMaxDeferredIsSkipped(t *testing.T) {
	w := knownWorld(t, Config{})
	for i := range 300 {
		w.Update([]input.Flow{w.flow("a"+strconv.Itoa(i), 1<<52, 0)})
	}
	w.endAll()
	total := w.total(abBytes)
	if refused := w.metric("skybridge_records_skipped_total", skippedImplausible); total+uint64(refused)<<52 != 300<<52 || refused == 0 {
		t.Errorf("%d times 2^52 counted and %v refused, want 300 in all", total>>52, refused)
	}
}

// TestAFullTableOfOriginsEvictsUnusedOnes has a hostile feed invent nodes: a real
// one that comes later counts.
func TestAFullTableOfOriginsEvictsUnusedOnes(t *testing.T) {
	w := newWorld(t, Config{})
	for i := range maxOrigins + 100 {
		f := w.flow("1", 0, 0)
		f.HasTransport, f.NodeTID = false, strconv.AppendInt(nil, int64(i), 10)
		w.Update([]input.Flow{f})
	}
	w.pass(time.Minute)
	w.count(w.flow("2", 100, 0))
	w.want(abBytes, 100)
	if n := len(w.origins.byKey); n > maxOrigins {
		t.Errorf("%d sources, want at most %d", n, maxOrigins)
	}
}

func TestBoundsAreLoggedOnceAMinute(t *testing.T) {
	w := knownWorld(t, Config{MaxSeries: 4})
	for i := range int64(100) {
		f := w.flow("1"+string('a'+rune(i%6)), 10*i, 0)
		f.TransportA = i
		w.Update([]input.Flow{f})
	}
	if n := strings.Count(w.logs.String(), "max_series"); n != 1 {
		t.Errorf("%d lines about max_series, want 1:\n%s", n, w.logs.String())
	}
}
