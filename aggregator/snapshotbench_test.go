// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// BenchmarkSnapshot takes and restores a snapshot of many connections, each with two
// baselines, while messages of 256 random updates arrive, and reports the longest wait of one.
func BenchmarkSnapshot(b *testing.B) {
	connections := 1_000_000
	if testing.Short() {
		connections = 50_000
	}
	w := knownWorld(b, Config{})
	w.arrive([2]string{"n1", "c2"})
	message := make([]input.Flow, batch)
	round := int64(0)
	update := func(index func(j int) int) {
		for j := range message {
			f, i := &message[j], index(j)
			if len(f.UUID) == 0 {
				*f = w.flow("1", 0, 0)
			}
			f.CaptureID = append(f.CaptureID[:0], "c1"...)
			if f.CaptureID[1] += byte(i % 2); round == 0 {
				f.Metric.RTT = 1000
			}
			f.UUID = strconv.AppendUint(f.UUID[:0], uint64(i+1)*0x9e3779b97f4a7c15, 16)
			f.NetworkA = append(f.NetworkA[:0], "10."...)
			f.NetworkA = strconv.AppendUint(f.NetworkA, uint64(i/2), 10)
			f.TransportA = int64(1024 + i/2%60000)
			f.Metric.ABBytes, f.Metric.ABPackets = 1500*(round+1), round+1
		}
		w.Update(message)
	}
	order := rand.New(rand.NewPCG(1, 2))
	for range 2 {
		for at := 0; at < 2*connections; at += batch {
			update(func(j int) int { return min(at+j, 2*connections-1) })
		}
		w.tick()
		round++
	}
	random := func(int) int { return order.IntN(2 * connections) }
	for range 2 * connections / batch { // no order that memory foresees, as after hours
		update(random)
	}
	usual, n := time.Duration(0), 0
	for range 200 {
		round++
		began := time.Now()
		update(random)
		usual, n = usual+time.Since(began), n+1
	}
	b.Logf("%d connections, %d baselines, %d shared", w.connections.records.used, w.baselines.records.used, w.shared.records.used)
	for b.Loop() {
		var blocks [][]byte
		size := 0
		var waits []time.Duration
		most := 0
		began := time.Now()
		s := w.BeginSnapshot()
		cut := time.Since(began)
		for end := false; !end; {
			for range 4 { // the disk takes about 100 MB/s
				block, ok := s.Next()
				if end = !ok; end {
					break
				}
				blocks = append(blocks, block)
				size += len(block)
			}
			round++
			at := time.Now()
			update(random)
			waits = append(waits, time.Since(at))
			queued := 0
			for _, block := range s.full {
				queued += cap(block)
			}
			most = max(most, queued)
		}
		taken := time.Since(began)
		other := newWorld(b, Config{})
		began = time.Now()
		next := 0
		err := other.Restore(func() ([]byte, error) {
			if next == len(blocks) {
				return nil, io.EOF
			}
			next++
			return blocks[next-1], nil
		})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "restore-s")
		b.ReportMetric(taken.Seconds(), "snapshot-s")
		b.ReportMetric(float64(cut.Microseconds())/1000, "cut-ms")
		slices.Sort(waits)
		b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1000, "longest-message-ms")
		b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "p99-message-ms")
		b.ReportMetric(float64(usual.Microseconds())/1000/float64(n), "usual-message-ms")
		b.ReportMetric(float64(most)/1e6, "queued-MB")
		b.ReportMetric(float64(size)/float64(connections), "B/connection")
	}
}
