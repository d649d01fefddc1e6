// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// plainBlocks are a block and beginnings of what goes wrong, not compressed.
func plainBlocks() [][]byte {
	var b Builder
	var set LabelSet
	set.Set([]Label{{"A", "before"}, {"a", "10.0.0.1"}, {"b", strings.Repeat("x", 200)}}, []Label{{"cluster", "c"}})
	b.Add(&set, bytesMetric, Sample{Value: math.Float64bits(42), At: 1_700_000_000_000, Start: 1_699_999_985_000})
	b.Add(&set, rttMetric, Sample{Value: StaleMarker, At: 1_700_000_000_000})
	var r Reader
	if err := r.Reset(b.Take()[0].Data); err != nil {
		panic(err)
	}
	out := [][]byte{r.plain}
	for _, plain := range []string{
		"", "\x22\x00", "\x22\x01a", "\x22\x00\x22\x80\x00", "\x22\x00\x2a\x00", "\x22\x00\x2a\x04\x0a\x02\x00\x00",
		"\x22\x00\x2a\x06\x0a\x02\x00\x09\x12\x00", "\x22\x00\x2a\x02\x12\x00", "\x22\x00\x2a\x04\x12\x02\x09\x00", "\x22\x00\x2a\x7f", "\x22\x00\x08\x01",
	} {
		out = append(out, []byte(plain))
	}
	// Two lists of labels in a series, and two values around a time.
	lists := func(first string) string { return "\x2a\x0a\x0a\x02" + first + "\x0a\x02\x02\x01\x12\x00" }
	values := func(first string) string {
		return "\x2a\x1a\x0a\x02\x01\x02\x12\x14\x09\x00\x00\x00\x00\x00\x00\x00" + first + "\x10\x05\x09\x00\x00\x00\x00\x00\x00\x00\x40"
	}
	return append(out, []byte("\x22\x00\x22\x01a\x22\x01b"+lists("\x01\x02")+lists("\x02\x01")+values("\x41")+values("\x42")+lists("\x01\x02")))
}

// FuzzReader proves that no bytes make the reader panic or allocate without
// bound, and that what it reads is what Prometheus' decoder reads.
func FuzzReader(f *testing.F) {
	for _, plain := range plainBlocks() {
		f.Add(snappy.Encode(nil, plain))
	}
	f.Add([]byte("\xff\xff\xff\xff\x0f"))
	f.Fuzz(checkBlock)
}

// FuzzPlainBlock is FuzzReader behind the compression, where it gets deeper.
func FuzzPlainBlock(f *testing.F) {
	for _, plain := range plainBlocks() {
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) { checkBlock(t, snappy.Encode(nil, plain)) })
}

// checkBlock reads a block that may be anything.
func checkBlock(t *testing.T, data []byte) {
	var r Reader
	series := 0
	err := r.Reset(data)
	for ok := err == nil; ok; series++ {
		if ok, err = r.Next(); !ok {
			break
		}
		_, _, _ = SeriesName(r.Labels()), r.AppendKey(nil), r.NameRef()
		_, _ = r.Metric()
	}
	var body []byte
	var count Count
	if err == nil {
		body, count, err = new(Encoder).Encode(nil, V1, data, 0, series, nil)
	}
	if err != nil {
		if !errors.Is(err, ErrBlock) {
			t.Fatalf("error %v does not wrap errBlock", err)
		}
		return
	}
	got, err := snappy.Decode(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := snappy.Decode(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	var req writev2.Request
	if err := req.Unmarshal(plain); err != nil {
		return // a reader that skips metadata reads a little more
	}
	want := &prompb.WriteRequest{}
	for _, ts := range req.Timeseries {
		out := prompb.TimeSeries{Samples: []prompb.Sample{{Value: ts.Samples[0].Value, Timestamp: ts.Samples[0].Timestamp}}}
		for i := 0; i < len(ts.LabelsRefs); i += 2 {
			out.Labels = append(out.Labels, prompb.Label{Name: req.Symbols[ts.LabelsRefs[i]], Value: req.Symbols[ts.LabelsRefs[i+1]]})
		}
		want.Timeseries = append(want.Timeseries, out)
	}
	wantBytes, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantBytes, append([]byte{}, got...)); diff != "" {
		t.Fatal(diff)
	}
	if count.Samples != len(want.Timeseries) {
		t.Fatalf("counted %d samples of %d", count.Samples, len(want.Timeseries))
	}
}
