// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

// BenchmarkGrowth is BenchmarkUpdate with more and more connections, in an order that
// no memory foresees. What it says of one includes about 100 ns to make its record.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b, Config{})
			w.known()
			message := make([]Flow, 100)
			for j := range message {
				message[j] = w.flow("1", 1000, 500)
				message[j].Metric.RTT = 1000
			}
			order := rand.New(rand.NewPCG(1, 2)).Perm(n)
			round := int64(0)
			play := func() {
				round++
				for at := 0; at < n; at += len(message) {
					for j := range message {
						f, i := &message[j], order[at+j]
						f.UUID = strconv.AppendUint(f.UUID[:0], uint64(i+1)*0x9e3779b97f4a7c15, 16)
						f.NetworkA = append(f.NetworkA[:0], "10."...)
						f.NetworkA = strconv.AppendUint(f.NetworkA, uint64(i), 10)
						f.TransportA = int64(1024 + i%60000)
						f.Metric.ABBytes, f.Metric.ABPackets = 1500*round, round
					}
					w.Update(message)
				}
			}
			play()
			for b.Loop() {
				play()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
		})
	}
}
