// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"math"
	"slices"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"pgregory.net/rapid"
)

// asTheyAppear is the 2.0 request of samples, made from Prometheus' own types,
// with symbols in the order of their first use.
func asTheyAppear(samples []plainSample) *writev2.Request {
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
		ts := writev2.TimeSeries{Samples: []writev2.Sample{{Value: math.Float64frombits(s.value), Timestamp: s.at, StartTimestamp: s.start}}}
		for _, l := range s.labels {
			ts.LabelsRefs = append(ts.LabelsRefs, symbol(l.Name), symbol(l.Value))
		}
		help, unit := symbol(s.metric.Help), symbol(s.metric.Unit)
		ts.Metadata = writev2.Metadata{Type: writev2.Metadata_MetricType(s.metric.Type), HelpRef: help, UnitRef: unit}
		req.Timeseries = append(req.Timeseries, ts)
	}
	return req
}

// TestEncode2 proves that the 2.0 request of any part of a block is, byte for
// byte, what Prometheus' own encoder makes of the same samples, and that a whole
// block is sent as it lies.
func TestEncode2(t *testing.T) {
	var b blockBuilder
	var e encoder2
	rapid.Check(t, func(t *rapid.T) {
		blk, samples := build(&b, drawSamples(t))
		req, want := drawRequest(t, &blk, samples)
		wantBytes, err := asTheyAppear(want).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, count, err := e.appendRequest([]byte("kept"), req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]byte("kept"), wantBytes...), got); diff != "" {
			t.Fatal(diff)
		}
		if count.samples != len(want) {
			t.Fatalf("counted %d samples of %d", count.samples, len(want))
		}

		var w workspace
		if _, err := w.build(req, version2); err != nil {
			t.Fatal(err)
		}
		whole := req.from == 0 && req.to == len(samples) && req.repair == nil
		if whole != (len(w.body.data) > 0 && &w.body.data[0] == &blk.data[0]) {
			t.Fatalf("whole block %v, but its bytes are sent %v", whole, !whole)
		}
		if plain, err := snappy.Decode(nil, w.body.data); err != nil || (!whole && !slices.Equal(plain, wantBytes)) {
			t.Fatalf("body is not the request: %v", err)
		}
	})
}

// TestBodiesDoNotShare proves that a body made after a block was sent as it lies
// leaves the block alone.
func TestBodiesDoNotShare(t *testing.T) {
	var b blockBuilder
	var set labelSet
	set.merge([]Label{{"a", "1"}}, nil)
	for range 3 {
		b.add(&set, bytesMetric, 1, 2, 3)
	}
	blk := b.seal()
	before := slices.Clone(blk.data)
	var w workspace
	for _, req := range []request{{block: &storedBlock{block: blk}, to: 3}, {block: &storedBlock{block: blk}, to: 2}, {block: &storedBlock{block: blk}, to: 3}} {
		for _, v := range []version{version2, version1} {
			if _, err := w.build(req, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(before, blk.data) {
		t.Error("the block was written to")
	}
}

// FuzzEncode2 proves that a damaged block is an error, never a panic.
func FuzzEncode2(f *testing.F) {
	var b blockBuilder
	var set labelSet
	set.merge([]Label{{"a", "1"}}, nil)
	b.add(&set, bytesMetric, math.Float64bits(7), 2000, 1000)
	b.add(&set, rttMetric, staleMarker, 2000, 0)
	plain, err := snappy.Decode(nil, b.seal().data)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(plain[:len(plain)-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		blk := block{data: snappy.Encode(nil, data)}
		var e encoder2
		got, count, err := e.appendRequest(nil, request{block: &storedBlock{block: blk}, to: 2})
		if err != nil {
			return
		}
		var req writev2.Request
		if err := req.Unmarshal(got); err != nil || len(req.Timeseries) != count.samples {
			t.Errorf("%d series of %d, %v", len(req.Timeseries), count.samples, err)
		}
		_ = firstSeries(request{block: &storedBlock{block: blk}, to: 2})
	})
}
