// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/remotewrite"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// BenchmarkSampler measures the points of 2,000 connections, neighbours of one node,
// becoming the 10,000 samples of a tick.
func BenchmarkSampler(b *testing.B) {
	l, err := queue.Open(queue.Config{
		ExternalLabels: []wire.Label{{Name: "cluster", Value: "eu-west-1"}, {Name: "env", Value: "production"}, {Name: "replica", Value: "skybridge-0"}},
		MaxBytes:       1,
	}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	// Nothing is encoded without a reader.
	sender := remotewrite.NewSender(l, prometheus.NewRegistry(), slog.New(slog.DiscardHandler), remotewrite.Options{})
	defer sender.Close()
	prepared, err := sender.Prepare([]remotewrite.EndpointConfig{{URL: "http://127.0.0.1:1/"}})
	if err != nil || sender.Apply(prepared) != nil {
		b.Fatal(err)
	}
	layout := &label.Layout{
		Names:     []string{"direction", "initiator_ip", "initiator_port", "node_tid", "protocol", "target_ip", "target_port"},
		Direction: 0,
	}
	points := make([]aggregator.Point, 2000)
	for i := range points {
		h := uint32(i) * 0x9e3779b1
		node := i / 100
		points[i] = aggregator.Point{Row: aggregator.Row{
			Layout: layout,
			Values: fmt.Sprintf("10.%d.%d.%d\xff%d\xff%08x-5f0a-5b7e-%04x-2f1d5b3b9a10\xffTCP\xff192.168.0.%d\xff443\xff",
				h>>16&31, h>>8&255, h&255, 32768+h>>7%28000, node*0x9e3779, node, node*4+int(h>>24)&3),
			Bytes: [2]uint64{18000 * uint64(i), 2700 * uint64(i)}, Packets: [2]uint64{uint64(i) * 20, uint64(i) * 15}, Gauges: aggregator.Gauges{180_000 + uint64(i%1000)*100},
		}, Start: 1_700_000_000_000}
	}
	s := newSampler()
	at := int64(1_700_000_015_000)
	b.ReportAllocs()
	for b.Loop() {
		s.tick = l.Begin(at)
		s.Connections(points)
		if err := l.Append(s.tick); err != nil {
			b.Fatal(err)
		}
		at += 15_000
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(5*len(points)), "ns/sample")
}
