// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/progress"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// connection is a connection's labels in both directions, seven and three
// external ones.
type connection struct{ ab, ba []wire.Label }

func connections(n int) []connection {
	out := make([]connection, n)
	for i := range out {
		labels := func(direction string) []wire.Label {
			return []wire.Label{
				{Name: "direction", Value: direction},
				{Name: "initiator_ip", Value: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)},
				{Name: "initiator_port", Value: fmt.Sprint(32768 + i%28000)},
				{Name: "node_tid", Value: fmt.Sprintf("6f6e8b1c-5f0a-5b7e-%04x-2f1d5b3b9a10", i%16)},
				{Name: "protocol", Value: "TCP"},
				{Name: "target_ip", Value: fmt.Sprintf("192.168.%d.%d", i>>4&255, i&15)},
				{Name: "target_port", Value: "443"},
			}
		}
		out[i] = connection{labels("initiator_to_target"), labels("target_to_initiator")}
	}
	return out
}

var benchExternal = []wire.Label{{Name: "cluster", Value: "eu-west-1"}, {Name: "env", Value: "production"}, {Name: "replica", Value: "skybridge-0"}}

// fill gives one value to each of the five series of each connection.
func fill(t *queue.TickBuilder, conns []connection) {
	for i := range conns {
		t.Labels(conns[i].ab)
		t.Value(bytesMetric, 1_700_000_000_000, float64(i)*1500)
		t.Value(packetsMetric, 1_700_000_000_000, float64(i))
		t.Value(rttMetric, 0, 250_000)
		t.Labels(conns[i].ba)
		t.Value(bytesMetric, 1_700_000_000_000, float64(i)*900)
		t.Value(packetsMetric, 1_700_000_000_000, float64(i))
	}
}

// appendTicks is the loop of a benchmark that appends ticks of 2,000 connections
// to a log. It returns how many samples each has.
func appendTicks(b *testing.B, l *queue.Log) (samples int) {
	l.Cursor("a", nil)
	conns := connections(2000)
	at := int64(1_700_000_015_000)
	b.ReportAllocs()
	for b.Loop() {
		t := l.Begin(at)
		fill(t, conns)
		if err := l.Append(t); err != nil {
			b.Fatal(err)
		}
		at += 15_000
	}
	samples = 5 * len(conns)
	perSample(b, samples)
	return samples
}

func benchLog(b *testing.B, cfg queue.Config) *queue.Log {
	b.Helper()
	l, err := queue.Open(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkAppend measures a tick of 10,000 samples from Begin to Append.
func BenchmarkAppend(b *testing.B) {
	l := benchLog(b, queue.Config{ExternalLabels: benchExternal, MaxBytes: 1})
	samples := appendTicks(b, l)
	size := l.Usage().Bytes
	b.ReportMetric(float64(size)/float64(samples), "B-log/sample")
}

// appended returns a tick as a cursor takes it.
func appended(t testing.TB, l *queue.Log, c *queue.Cursor, tick *queue.TickBuilder) *queue.Tick {
	t.Helper()
	if err := l.Append(tick); err != nil {
		t.Fatal(err)
	}
	taken, err := c.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Done("", false)
	return taken
}

func perSample(b *testing.B, samples int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(samples), "ns/sample")
}

// BenchmarkRewrite measures relabelling a block of 2,000 samples whose series are
// known, as at every tick but their first, from block to block.
func BenchmarkRewrite(b *testing.B) {
	l := benchLog(b, queue.Config{ExternalLabels: benchExternal})
	c := l.Cursor("a", nil)
	t := l.Begin(1_700_000_015_000)
	fill(t, connections(wire.MaxBlockSamples/5))
	tick := appended(b, l, c, t)
	cfg := EndpointConfig{
		URL: "http://a/", ExternalLabels: []wire.Label{{Name: "site", Value: "b"}},
		WriteRelabelConfigs: []*relabel.Config{act(relabel.LabelDrop, "", "replica"), replace("node_tid", "(.{8}).*", "node", "$1")},
	}
	if err := cfg.complete(); err != nil {
		b.Fatal(err)
	}
	w := newRewriter(cfg.naming(), newSeeds(), func(string, string, string) {})
	b.ReportAllocs()
	for b.Loop() {
		if out, _, err := w.rewrite(tick); err != nil || out.Samples != wire.MaxBlockSamples {
			b.Fatal(out, err)
		}
	}
	perSample(b, wire.MaxBlockSamples)
}

// BenchmarkAppendDurable measures the same tick on the way to a real disk: to the
// page cache and, but for the part that is the disk's own, its sync.
func BenchmarkAppendDurable(b *testing.B) {
	l := benchLog(b, queue.Config{ExternalLabels: benchExternal, MaxBytes: 64 << 20, Dir: b.TempDir()})
	samples := appendTicks(b, l)
	u := l.Usage()
	b.ReportMetric(float64(u.Bytes)/float64(u.Ticks*samples), "B-disk/sample")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCommit measures an endpoint's place becoming durable, which comes before
// each group that it sends.
func BenchmarkCommit(b *testing.B) {
	l := benchLog(b, queue.Config{Dir: b.TempDir()})
	c := l.Cursor("a", nil)
	for n := uint64(0); b.Loop(); n++ {
		c.KeepNumber(n)
		c.Commit()
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCondense measures five ticks, in each of which 1,000 connections end, becoming
// the bodies of the batch's requests.
func BenchmarkCondense(b *testing.B) {
	l := benchLog(b, queue.Config{ExternalLabels: benchExternal})
	c := l.Cursor("a", nil)
	e := &endpoint{log: l, cursor: c, deadline: progress.NewDeadline(), seeds: newSeeds()}
	e.settings.Store(&settings{})
	conns := connections(5000)
	f := &queue.Condensed{Begun: queue.Never}
	for i := range 5 {
		t := l.Begin(1_700_000_015_000 + 15_000*int64(i))
		for j := range 1000 {
			conn := &conns[1000*i+j]
			for _, labels := range [][]wire.Label{conn.ab, conn.ba} {
				t.Labels(labels)
				t.End(bytesMetric, 1_700_000_000_000, float64(j)*1500)
				t.End(packetsMetric, 1_700_000_000_000, float64(j))
			}
		}
		f.Ticks = append(f.Ticks, appended(b, l, c, t))
	}
	const ends = 5 * 1000 * 4
	var w workspace
	b.ReportAllocs()
	for b.Loop() {
		g, err := e.gather(b.Context(), f)
		if err != nil || g.series != ends {
			b.Fatal(g.series, err)
		}
		for step := range queue.CondenseSteps {
			for _, req := range g.group(nil, step, 1_700_000_100_000, wire.MaxBlockSamples) {
				if _, err := w.build(req, wire.V2); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	perSample(b, ends)
}
