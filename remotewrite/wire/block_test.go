// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// Two metrics of each kind that tests use.
var (
	bytesMetric   = &Metric{Name: "test_bytes", Help: "Bytes.", Unit: "bytes", Type: Counter}
	packetsMetric = &Metric{Name: "test_packets", Help: "Packets.", Type: Counter}
	rttMetric     = &Metric{Name: "test_rtt", Help: "Time.", Unit: "nanoseconds", Type: Gauge}
)

// plainSample is a sample of a block, as tests draw and compare it.
type plainSample struct {
	labels []Label // sorted, with the metric's name
	metric *Metric
	Sample
}

// drawn is what goes into a block: sets of labels, each for a run of samples.
type drawn struct {
	external []Label
	sets     [][]Label
	samples  []plainSample // a zero plainSample ends a run
}

// drawSamples draws samples, runs of which share their labels.
func drawSamples(t *rapid.T) (d drawn) {
	name := rapid.StringMatching(`[A-C_a-c]{1,2}`) // so few that many are external labels as well
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "10.0.0.1", "10.0.0.2", "TCP"}), rapid.StringN(0, 4, 300))
	draw := func(what string, most int) []Label {
		byName := rapid.MapOfN(name, text, 0, most).Draw(t, what)
		var labels []Label
		for n, v := range byName {
			labels = append(labels, Label{n, v})
		}
		return SortedLabels(labels)
	}
	d.external = draw("external", 2)
	number := rapid.OneOf(rapid.SampledFrom([]uint64{0, 1 << 63, value.StaleNaN, math.Float64bits(1)}), rapid.Uint64())
	ms := rapid.OneOf(rapid.SampledFrom([]int64{0, -1, math.MinInt64, 1_700_000_000_000}), rapid.Int64())
	for range rapid.IntRange(1, 6).Draw(t, "sets") {
		set := draw("labels", 12)
		d.sets = append(d.sets, set)
		merged := map[string]string{}
		for _, l := range append(slices.Clone(d.external), set...) {
			if l.Value != "" {
				merged[l.Name] = l.Value
			}
		}
		for range rapid.IntRange(1, 4).Draw(t, "samples") {
			m := rapid.SampledFrom([]*Metric{bytesMetric, packetsMetric, rttMetric}).Draw(t, "metric")
			s := plainSample{metric: m, Sample: Sample{Value: number.Draw(t, "value"), At: ms.Draw(t, "at"), Start: ms.Draw(t, "start")}}
			s.labels = []Label{{NameLabel, m.Name}}
			for n, v := range merged {
				s.labels = append(s.labels, Label{n, v})
			}
			s.labels = SortedLabels(s.labels)
			d.samples = append(d.samples, s)
		}
		d.samples = append(d.samples, plainSample{})
	}
	return d
}

// build makes a block of samples and returns them as one list. The sets are given in
// both ways.
func build(b *Builder, d drawn) (Block, []plainSample) {
	var set LabelSet
	var samples []plainSample
	i := -1
	fresh := true
	for _, s := range d.samples {
		if s.metric == nil {
			fresh = true
			continue
		}
		if fresh {
			i++
			if fresh = false; i%2 == 0 {
				set.Set(d.sets[i], d.external)
			} else {
				var names, values []string
				for _, l := range d.sets[i] {
					names, values = append(names, l.Name), append(values, l.Value)
				}
				set.SetValues(names, values, d.external)
			}
		}
		b.Add(&set, s.metric, s.Sample)
		samples = append(samples, s)
	}
	return b.Take()[0], samples
}

// request2 is the remote-write 2.0 request of samples, made from Prometheus' own
// types. Symbols are numbered as a block numbers them.
func request2(samples []plainSample) *writev2.Request {
	return numbered(samples, func(s plainSample, symbol func(string) uint32) {
		for _, l := range s.labels { // a block meets the labels of a set first
			if l.Name != NameLabel {
				symbol(l.Name)
				symbol(l.Value)
			}
		}
		symbol(NameLabel)
		symbol(s.metric.Name)
	})
}

// asTheyAppear is the same with symbols in the order of their first use.
func asTheyAppear(samples []plainSample) *writev2.Request {
	return numbered(samples, func(plainSample, func(string) uint32) {})
}

// numbered is a request whose symbols have the order in which first calls for those of
// each sample, and then that of their use.
func numbered(samples []plainSample, first func(s plainSample, symbol func(string) uint32)) *writev2.Request {
	req := &writev2.Request{Symbols: []string{""}}
	symbol := func(s string) uint32 {
		i := slices.Index(req.Symbols, s)
		if i < 0 {
			i = len(req.Symbols)
			req.Symbols = append(req.Symbols, s)
		}
		return uint32(i)
	}
	for _, s := range samples {
		first(s, symbol)
		ts := writev2.TimeSeries{Samples: []writev2.Sample{{Value: math.Float64frombits(s.Value), Timestamp: s.At, StartTimestamp: s.Start}}}
		for _, l := range s.labels {
			ts.LabelsRefs = append(ts.LabelsRefs, symbol(l.Name), symbol(l.Value))
		}
		ts.Metadata = writev2.Metadata{Type: writev2.Metadata_MetricType(s.metric.Type), HelpRef: symbol(s.metric.Help), UnitRef: symbol(s.metric.Unit)}
		req.Timeseries = append(req.Timeseries, ts)
	}
	return req
}

// request1 is the remote-write 1.0 request of samples.
func request1(samples []plainSample) *prompb.WriteRequest {
	req := &prompb.WriteRequest{}
	for _, s := range samples {
		ts := prompb.TimeSeries{Samples: []prompb.Sample{{Value: math.Float64frombits(s.Value), Timestamp: s.At}}}
		for _, l := range s.labels {
			ts.Labels = append(ts.Labels, prompb.Label{Name: l.Name, Value: l.Value})
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	return req
}

// TestBlockIsRequest2 proves that a block is, byte for byte, what Prometheus'
// own encoder makes of the same 2.0 request, whatever was built before it: a series has
// its own labels and the external ones that it does not have, none of them empty.
func TestBlockIsRequest2(t *testing.T) {
	var b Builder
	rapid.Check(t, func(t *rapid.T) {
		blk, samples := build(&b, drawSamples(t))
		want, err := request2(samples).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := snappy.Decode(nil, blk.Data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		stale := len(slices.DeleteFunc(slices.Clone(samples), func(s plainSample) bool { return s.Value != value.StaleNaN }))
		if blk.Count != (Count{len(samples), stale}) {
			t.Fatalf("block counts %+v, of %d samples and %d stale markers", blk.Count, len(samples), stale)
		}
	})
}

// drawPart draws a part of a block, changed or not, and returns the samples in it.
func drawPart(t *rapid.T, samples []plainSample) (from, to int, change func(*Sample) bool, want []plainSample) {
	from = rapid.IntRange(0, len(samples)).Draw(t, "from")
	to = rapid.IntRange(from, len(samples)).Draw(t, "to")
	want = slices.Clone(samples[from:to])
	if rapid.Bool().Draw(t, "change") {
		begun, at := rapid.Int64().Draw(t, "begun"), rapid.Int64().Draw(t, "at")
		change = func(s *Sample) bool {
			covered := s.Start >= begun
			s.Value, s.At = 0, at
			return covered
		}
		want = slices.DeleteFunc(want, func(s plainSample) bool { return s.Start < begun })
		for i := range want {
			want[i].Value, want[i].At = 0, at
		}
	}
	return from, to, change, want
}

// TestBlockSplits proves when a block is closed: at its number of samples, and
// early where labels are long.
func TestBlockSplits(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples int
		length  int // of a label's value, negative: of one that all have
		want    []int
	}{
		{"few", 3, 10, []int{3}},
		{"exactly full", MaxBlockSamples, 10, []int{MaxBlockSamples}},
		{"one more", MaxBlockSamples + 1, 10, []int{MaxBlockSamples, 1}},
		{"long labels", 5, maxBlockBytes / 2, []int{2, 2, 1}},
		{"long common labels", 100, -maxExpanded / 50, []int{50, 50}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b Builder
			var set LabelSet
			for i := range c.samples {
				own, common := max(4, c.length)-4, max(0, -c.length)
				set.Set([]Label{{"a", strings.Repeat("x", own) + string(binary.BigEndian.AppendUint32(nil, uint32(i)))}, {"b", strings.Repeat("y", common)}}, nil)
				b.Add(&set, bytesMetric, Sample{})
			}
			var got []int
			for _, b := range b.Take() {
				got = append(got, b.Samples)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
