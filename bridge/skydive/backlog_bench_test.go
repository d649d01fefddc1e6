// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
)

// BenchmarkBacklog decodes and counts messages all of which wait already: on two
// cores it takes less time than BenchmarkDecode and aggregator.BenchmarkUpdate
// together.
func BenchmarkBacklog(b *testing.B) {
	messages, flows, size := benchMessages(b)
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped", Help: "Records that do not count."}, []string{"reason"})
	quiet := slog.New(slog.DiscardHandler)
	a, err := aggregator.New(aggregator.Config{Labels: aggregator.DefaultLabels(), FlowRetention: time.Hour, ConnectionTimeout: time.Hour}, time.Now, prometheus.NewRegistry(), skipped, quiet)
	if err != nil {
		b.Fatal(err)
	}
	const rounds = 50
	b.SetBytes(rounds * size)
	for b.Loop() {
		b.StopTimer()
		f, err := NewFeed(Config{Analyzers: []string{"ws://127.0.0.1:1"}, HostID: "bench"}, a, skipped, prometheus.NewRegistry(), quiet)
		if err != nil {
			b.Fatal(err)
		}
		from := &link{watchdog: newWatchdog(time.Hour, f.timing.random), log: quiet}
		var scratch []byte
		for range rounds {
			for _, m := range messages {
				buf, err := f.buffers.read(bytes.NewReader(m), &scratch)
				if err != nil {
					b.Fatal(err)
				}
				if !f.queue.put(raw{buf, from, time.Now()}) {
					b.Fatal("no room")
				}
			}
		}
		f.queue.close()
		b.StartTimer()
		f.decode()
	}
	b.ReportMetric(float64(rounds*flows)*float64(b.N)/b.Elapsed().Seconds(), "flows/s")
}
