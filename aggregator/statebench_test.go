// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
)

// durableCrowd is a crowd whose state is on this machine's disk.
func durableCrowd(b *testing.B) (w *world, flows []Flow, dir string) {
	w, flows = crowd(b)
	fresh := newWorld(b, Config{})
	w.Aggregator, dir = fresh.Aggregator, b.TempDir()
	if _, err := w.Recover(StateConfig{Dir: dir}, w.notices.logger); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = w.Close() })
	w.AnalyzerUp("a")
	w.Update(flows)
	return w, flows, dir
}

// BenchmarkUpdateDurable is BenchmarkUpdate with the journal on disk: the
// difference is what durability costs ingest. Each round is synced, as a tick
// would.
func BenchmarkUpdateDurable(b *testing.B) {
	w, flows, _ := durableCrowd(b)
	b.ReportAllocs()
	for b.Loop() {
		for i := range flows {
			flows[i].Metric.ABBytes += 1500
			flows[i].Metric.ABPackets++
		}
		w.Update(flows)
		w.Sync()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(flows)), "ns/record")
}

// BenchmarkRecover reads a snapshot, or a journal, of the whole crowd.
func BenchmarkRecover(b *testing.B) {
	for _, c := range []struct {
		name  string
		least int64
	}{{"snapshot", 1}, {"journal", 1 << 40}} {
		b.Run(c.name, func(b *testing.B) {
			w, flows, dir := durableCrowd(b)
			w.durable.due = c.least
			at := w.LastTick()
			for range 3 {
				w.Update(flows)
				w.Sync()
				at += testInterval.Milliseconds()
				w.Tick(at, testInterval, &discard{})
				w.Sync()
				w.Publish()
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				again := newWorld(b, Config{})
				r, err := again.Recover(StateConfig{Dir: dir, LastTick: at}, w.notices.logger)
				if err != nil || r.Connections != len(flows) || r.Anew != "" {
					b.Fatalf("%+v, %v", r, err)
				}
				b.StopTimer()
				if err := again.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(flows)), "s/million_connections")
		})
	}
}
