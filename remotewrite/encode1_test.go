// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// plain1 is the plain form of a 1.0 request, as a receiver unpacks it.
func plain1(t interface {
	Helper()
	Fatal(args ...any)
}, e *encoder1, req request) ([]byte, encoded, error) {
	t.Helper()
	var b body
	count, err := e.fill(&b, req)
	if err != nil {
		return nil, count, err
	}
	plain, err := snappy.Decode(nil, b.data)
	if err != nil {
		t.Fatal(err)
	}
	return plain, count, nil
}

// TestEncode1 proves that the 1.0 request of any part of a block is, byte for
// byte, what prompb makes of the same samples.
func TestEncode1(t *testing.T) {
	var b blockBuilder
	var e encoder1
	rapid.Check(t, func(t *rapid.T) {
		blk, samples := build(&b, drawSamples(t))
		req, want := drawRequest(t, &blk, samples)
		wantBytes, err := request1(want).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, count, err := plain1(t, &e, req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]byte{}, wantBytes...), append([]byte{}, got...)); diff != "" {
			t.Fatal(diff)
		}
		if count.samples != len(want) {
			t.Fatalf("counted %d samples of %d", count.samples, len(want))
		}
	})
}

// TestWholeBlocks is TestBlockIsRequest2 and TestEncode1 with blocks as large and as
// alike as they come: what repeats lies near and far, in labels short and long, values
// and times.
func TestWholeBlocks(t *testing.T) {
	var b blockBuilder
	var e encoder1
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		texts := make([]string, rapid.IntRange(1, 400).Draw(t, "texts"))
		long := rapid.SampledFrom([]int{20, 200, 2000}).Draw(t, "long")
		for i := range texts {
			texts[i] = strings.Repeat("x", random.IntN(long)) + fmt.Sprint(random.IntN(1000))
		}
		names := rapid.SampledFrom([][]string{{"a", "direction", "z"}, {"Zone", "a", "direction"}, {"direction"}, {}}).Draw(t, "names")
		change := rapid.SampledFrom([]float64{0.01, 0.3, 1}).Draw(t, "change")
		at := int64(1_700_000_000_000)
		values := make([]string, len(names))
		var d drawn
		for len(d.samples) < MaxBlockSamples {
			var set []Label
			for i, name := range names {
				if random.Float64() < change {
					values[i] = texts[random.IntN(len(texts))]
				}
				if values[i] != "" && random.IntN(20) > 0 {
					set = append(set, Label{name, values[i]})
				}
			}
			d.sets = append(d.sets, set)
			for _, m := range []*Metric{bytesMetric, packetsMetric, rttMetric} {
				s := plainSample{metric: m, value: math.Float64bits(float64(random.IntN(1 << random.IntN(40)))), at: at}
				if random.IntN(50) == 0 {
					s.value = staleMarker
				}
				if random.Float64() < change/100 {
					at = [...]int64{0, 1, -1, 1_700_000_000_000, 1_700_000_015_000}[random.IntN(5)]
				}
				s.labels = sortedLabels(append([]Label{{nameLabel, m.Name}}, set...))
				d.samples = append(d.samples, s)
			}
			d.samples = append(d.samples, plainSample{})
		}
		blk, samples := build(&b, d)
		want2, err := request2(samples).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := snappy.Decode(nil, blk.data); err != nil || string(got) != string(want2) {
			t.Fatalf("in 2.0 %v: %d bytes in place of %d, other ones from %d", err, len(got), len(want2), commonPrefix(got, want2))
		}
		wantBytes, err := request1(samples).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := plain1(t, &e, request{block: &storedBlock{block: blk}, to: len(samples)})
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(wantBytes) {
			t.Fatalf("in 1.0 %d bytes in place of %d, other ones from %d", len(got), len(wantBytes), commonPrefix(got, wantBytes))
		}
	})
}

// TestEncode1Bounds proves that a block which nobody has built, and whose labels are
// endless when written out, is refused.
func TestEncode1Bounds(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	plain := []byte("\x22\x00\x22\x01a")
	plain = append(append(plain, 0x22, 0x80, 0x80, 0x40), long...)
	for range 65 {
		plain = append(plain, "\x2a\x08\x0a\x02\x01\x02\x12\x02\x10\x05"...)
	}
	blk := block{data: snappy.Encode(nil, plain)}
	if _, _, err := plain1(t, new(encoder1), request{block: &storedBlock{block: blk}, to: 10}); err != nil {
		t.Fatalf("a request of 10 MiB: %v", err)
	}
	if _, _, err := plain1(t, new(encoder1), request{block: &storedBlock{block: blk}, to: 65}); !errors.Is(err, errBlock) {
		t.Fatalf("a request of 65 MiB gave the error %v", err)
	}
}

// TestBlockTooShort proves that a block with fewer series than a request wants of it is
// an error, in both versions.
func TestBlockTooShort(t *testing.T) {
	var b blockBuilder
	var set labelSet
	set.merge([]Label{{"a", "b"}}, nil)
	b.add(&set, bytesMetric, 1, 1000, 0)
	b.add(&set, packetsMetric, 2, 1000, 0)
	blk := b.seal()
	for _, req := range []request{{block: &storedBlock{block: blk}, to: 3}, {block: &storedBlock{block: blk}, from: 2, to: 3}, {block: &storedBlock{block: blk}, from: 3, to: 4}} {
		if _, _, err := plain1(t, new(encoder1), req); !errors.Is(err, errBlock) {
			t.Errorf("from %d to %d in 1.0: error %v", req.from, req.to, err)
		}
		if _, _, err := new(encoder2).appendRequest(nil, req); !errors.Is(err, errBlock) {
			t.Errorf("from %d to %d in 2.0: error %v", req.from, req.to, err)
		}
	}
}
