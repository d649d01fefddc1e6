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
	if _, err := w.OpenState(StateConfig{Dir: dir}, w.warnings.logger); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = w.Close() })
	w.AnalyzerUp("a")
	w.Update(flows)
	return w, flows, dir
}

// BenchmarkJournal is BenchmarkUpdate on one aggregator without a journal and with
// one, on disk: the difference is what durability costs ingest.
func BenchmarkJournal(b *testing.B) {
	w, flows, _ := durableCrowd(b)
	j, d := w.journal, w.durable
	b.Cleanup(func() {
		w.setJournal(j, d)
		if err := w.Close(); err != nil {
			b.Error(err)
		}
	})
	b.Run("off", func(b *testing.B) {
		w.setJournal(nil, nil)
		benchUpdates(b, w, flows)
	})
	b.Run("on", func(b *testing.B) {
		w.setJournal(j, d)
		benchUpdates(b, w, flows)
	})
}

func (w *world) setJournal(j *journal, d *durable) {
	w.journal, w.connections.journal, w.origins.journal, w.durable = j, j, j, d
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
				r, err := again.OpenState(StateConfig{Dir: dir, LastTick: at}, w.warnings.logger)
				if err != nil || r.Connections != len(flows) || r.ResetReason != "" {
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
