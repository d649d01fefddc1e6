// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

// crowd is a replica with many connections, of 5 series each, and the latest record of each.
type crowd struct {
	*Replica
	flows []input.Flow
}

func crowded(b *testing.B, n int) *crowd {
	registry := prometheus.NewRegistry()
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped"}, []string{"reason"})
	logger := slog.New(slog.DiscardHandler)
	c := &crowd{Replica: New(aggregator.New(registry, skipped, logger), Clock{time.Now, time.Now}, registry, logger)}
	start := time.Now().UnixMilli()
	for i := range n {
		m := input.Metric{ABBytes: 1000, ABPackets: 10, BABytes: 500, BAPackets: 5, Start: start, Last: start, RTT: 1000}
		c.flows = append(c.flows, input.Flow{
			UUID: fmt.Appendf(nil, "%x", uint64(i+1)*0x9e3779b97f4a7c15), NodeTID: []byte("n"), CaptureID: []byte("c"),
			NetworkA: fmt.Appendf(nil, "10.%d.%d.%d", i>>16, i>>8&0xff, i&0xff), NetworkB: []byte("10.0.0.2"),
			HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: int64(1024 + i%60000), TransportB: 80,
			Start: start, Metric: m, LastUpdate: m, HasLastUpdate: true,
		})
	}
	return c
}

func crowdConfiguration() Configuration {
	return Configuration{Config: aggregator.Config{
		Config:            label.Config{Labels: label.Default()},
		ConnectionTimeout: time.Hour, FlowRetention: 2 * time.Hour,
	}}
}

// grow reports that all connections have grown, in messages of 50 flows in any order.
func (c *crowd) grow() {
	rand.Shuffle(len(c.flows), func(i, j int) { c.flows[i], c.flows[j] = c.flows[j], c.flows[i] })
	for i := range c.flows {
		m := &c.flows[i].Metric
		m.ABBytes += 1500
		m.ABPackets++
		m.Last += 10
		c.flows[i].LastUpdate = *m
	}
	for i := 0; i < len(c.flows); i += 50 {
		c.Update(c.flows[i:min(i+50, len(c.flows))])
	}
}

// kill ends a replica without a snapshot.
func (c *crowd) kill() {
	close(c.store.ended)
	c.store.run.Wait()
	_ = c.store.journal.Close() // its entries are synced
}

// BenchmarkUpdate counts a record of each connection, in memory alone and with the journal on
// this machine's disk: the difference is what durability costs ingest.
func BenchmarkUpdate(b *testing.B) {
	for _, durable := range []bool{false, true} {
		b.Run(fmt.Sprintf("durable=%v", durable), func(b *testing.B) {
			c := crowded(b, 50_000)
			if durable {
				if _, err := c.Open(StoreConfig{FS: disk.OS{}, Dir: b.TempDir(), CheckpointBytes: 1 << 40, LastTick: -1}, crowdConfiguration(), nil); err != nil {
					b.Fatal(err)
				}
			} else if err := c.Start(crowdConfiguration()); err != nil {
				b.Fatal(err)
			}
			c.AnalyzerUp("a")
			c.grow()
			b.ReportAllocs()
			for b.Loop() {
				c.grow()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(c.flows)), "ns/record")
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkOpen restores a snapshot of a million connections, and one of none with four million
// records behind it.
func BenchmarkOpen(b *testing.B) {
	for _, what := range []string{"snapshot", "journal"} {
		b.Run(what, func(b *testing.B) {
			const connections = 1_000_000
			dir := b.TempDir()
			open := func(c *crowd) Recovery {
				found, err := c.Open(StoreConfig{FS: disk.OS{}, Dir: dir, CheckpointBytes: 1 << 40, LastTick: -1}, crowdConfiguration(), nil)
				if err != nil || found.ResetReason != "" {
					b.Fatal(found, err)
				}
				return found
			}
			c := crowded(b, connections)
			open(c)
			c.AnalyzerUp("a")
			for range map[string]int{"snapshot": 1, "journal": 4}[what] {
				c.grow()
			}
			c.Pass(true)
			if what == "snapshot" {
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
			} else {
				c.kill()
			}
			b.ReportAllocs()
			for b.Loop() {
				again := crowded(b, 0)
				if found := open(again); (found.Entries == 0) != (what == "snapshot") || again.aggregator.Status().Flows != connections {
					b.Fatalf("%+v, %d flows", found, again.aggregator.Status().Flows)
				}
				b.StopTimer()
				again.kill()
				b.StartTimer()
			}
		})
	}
}
