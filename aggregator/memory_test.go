// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/skydive-project/skybridge/input"
)

// TestMemoryOfManyConnectionsIsBounded shows two million connections, each once, to aggregators with
// room for few of them. It proves that memory is bounded whatever the number, and
// totals exact.
func TestMemoryOfManyConnectionsIsBounded(t *testing.T) {
	const (
		crowd     = 2_000_000
		maxSeries = 100_000
		maxFlows  = 100_000
		// maxHeap is 2 KiB for each of 25,000 connections of 4 series, in which 4 flows
		// for each are remembered. Measured: 1.0 KiB, as much with top_k.
		maxHeap = 2 << 10 * maxSeries / 4
	)
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"max_series", Config{MaxSeries: maxSeries, MaxFlows: maxFlows}},
		{"top_k", Config{MaxSeries: maxSeries, MaxFlows: maxFlows, TopK: 10_000, TopKWindow: testInterval}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := heap()
			w := knownWorld(t, c.cfg)
			var d discard
			want := uint64(0)
			flows := make([]input.Flow, 1000)
			for i := range flows {
				flows[i] = w.flow("", 0, 0)
			}
			peak, start := uint64(0), w.ms(0)
			for n := range crowd {
				f := &flows[n%len(flows)]
				f.UUID = strconv.AppendInt(f.UUID[:0], int64(n+1), 16)
				f.NetworkA = fmt.Appendf(f.NetworkA[:0], "10.%d.%d.%d", n>>16, n>>8&0xff, n&0xff)
				f.Metric.ABBytes = int64(100 + n%1000)
				f.Start, f.LastUpdate.Last = start+int64(n), start+int64(n)+1000
				want += uint64(f.Metric.ABBytes)
				if n%len(flows) == len(flows)-1 {
					w.Update(flows)
				}
				if n%(crowd/5) == crowd/5-1 {
					w.pass(testInterval)
					w.Tick(w.time.UnixMilli(), testInterval, &d)
					w.Publish()
					if n := w.connections.series; n > maxSeries+4 {
						t.Errorf("%d series, want at most %d and the overflow's", n, maxSeries)
					}
					peak = max(peak, heap()-before)
				}
			}
			for w.EndAll(true) > 0 {
				w.pass(testInterval)
				w.Tick(w.time.UnixMilli(), testInterval, &d)
			}
			if d.bytes != want {
				t.Errorf("%d bytes in all, want %d", d.bytes, want)
			}
			t.Logf("%d MiB at most, %d bytes for each connection with series", peak>>20, peak/(maxSeries/4))
			if peak > maxHeap {
				t.Errorf("%d MiB, want at most %d", peak>>20, maxHeap>>20)
			}
			runtime.KeepAlive(w)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
