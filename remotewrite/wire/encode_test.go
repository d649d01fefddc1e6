// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"pgregory.net/rapid"
)

// encode is Encode, and what a receiver unpacks.
func encode(t rapid.TB, e *Encoder, v Version, data []byte, from, to int, change func(*Sample) bool) []byte {
	t.Helper()
	body, _, err := e.Encode(nil, v, data, from, to, change)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := snappy.Decode(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// TestEncode proves that the request of any part of a block is, byte for byte, what
// Prometheus' own encoder makes of the same samples, in both versions, and that the block
// stays as it is.
func TestEncode(t *testing.T) {
	var b Builder
	var e Encoder
	var body []byte
	rapid.Check(t, func(t *rapid.T) {
		blk, samples := build(&b, drawSamples(t))
		before := slices.Clone(blk.Data)
		from, to, change, want := drawPart(t, samples)
		for v, message := range map[Version]interface{ Marshal() ([]byte, error) }{V1: request1(want), V2: asTheyAppear(want)} {
			wantBytes, err := message.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			var count Count
			if body, count, err = e.Encode(body, v, blk.Data, from, to, change); err != nil {
				t.Fatal(err)
			}
			got, err := snappy.Decode(nil, body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]byte{}, wantBytes...), append([]byte{}, got...)); diff != "" {
				t.Fatal(v, diff)
			}
			if count.Samples != len(want) {
				t.Fatalf("counted %d samples of %d", count.Samples, len(want))
			}
		}
		if !slices.Equal(before, blk.Data) {
			t.Fatal("the block was written to")
		}
	})
}

// TestWholeBlocks is TestBlockIsRequest2 and TestEncode with blocks as large and as
// alike as they come.
func TestWholeBlocks(t *testing.T) {
	var b Builder
	var e Encoder
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		texts := make([]string, rapid.IntRange(1, 400).Draw(t, "texts"))
		long := rapid.SampledFrom([]int{20, 200, 1000}).Draw(t, "long")
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
				s := plainSample{metric: m, Sample: Sample{Value: math.Float64bits(float64(random.IntN(1 << random.IntN(40)))), At: at}}
				if random.IntN(50) == 0 {
					s.Value = StaleMarker
				}
				if random.Float64() < change/100 {
					at = [...]int64{0, 1, -1, 1_700_000_000_000, 1_700_000_015_000}[random.IntN(5)]
				}
				s.labels = SortedLabels(append([]Label{{NameLabel, m.Name}}, set...))
				d.samples = append(d.samples, s)
			}
			d.samples = append(d.samples, plainSample{})
		}
		blk, samples := build(&b, d)
		want2, err := request2(samples).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := snappy.Decode(nil, blk.Data); err != nil || string(got) != string(want2) {
			t.Fatalf("in 2.0 %v: %d bytes in place of %d", err, len(got), len(want2))
		}
		want1, err := request1(samples).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got := encode(t, &e, V1, blk.Data, 0, len(samples), nil); string(got) != string(want1) {
			t.Fatalf("in 1.0 %d bytes in place of %d", len(got), len(want1))
		}
	})
}

// TestEncode1Bounds proves that a block that no builder made, and whose labels are
// endless when written out, is refused.
func TestEncode1Bounds(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	plain := []byte("\x22\x00\x22\x01a")
	plain = append(append(plain, 0x22, 0x80, 0x80, 0x40), long...)
	for range 65 {
		plain = append(plain, "\x2a\x08\x0a\x02\x01\x02\x12\x02\x10\x05"...)
	}
	data := Compress(nil, plain)
	encode(t, new(Encoder), V1, data, 0, 10, nil) // 10 MiB
	if _, _, err := new(Encoder).Encode(nil, V1, data, 0, 65, nil); !errors.Is(err, ErrBlock) {
		t.Fatalf("a request of 65 MiB gave the error %v", err)
	}
}

// TestBlockTooShort proves that a block with fewer series than a request wants of it is
// an error, in both versions.
func TestBlockTooShort(t *testing.T) {
	var b Builder
	var set LabelSet
	b.Add(&set, bytesMetric, Sample{Value: 1, At: 1000})
	b.Add(&set, packetsMetric, Sample{Value: 2, At: 1000})
	data := b.Take()[0].Data
	for _, part := range [][2]int{{0, 3}, {2, 3}, {3, 4}} {
		for _, v := range []Version{V1, V2} {
			if _, _, err := new(Encoder).Encode(nil, v, data, part[0], part[1], nil); !errors.Is(err, ErrBlock) {
				t.Errorf("%v in %s: error %v", part, v, err)
			}
		}
	}
}

// FuzzEncode2 proves that a damaged block is an error, never a panic.
func FuzzEncode2(f *testing.F) {
	for _, plain := range plainBlocks() {
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		body, count, err := new(Encoder).Encode(nil, V2, Compress(nil, plain), 0, 2, nil)
		if err != nil {
			return
		}
		got, err := snappy.Decode(nil, body)
		if err != nil {
			t.Fatal(err)
		}
		var req writev2.Request
		if err := req.Unmarshal(got); err != nil || len(req.Timeseries) != count.Samples {
			t.Errorf("%d series of %d, %v", len(req.Timeseries), count.Samples, err)
		}
	})
}

// connections gives the builder the five series of each of n connections, with seven
// labels and three external ones.
func connections(b *Builder, n int) {
	external := []Label{{"cluster", "eu-west-1"}, {"env", "production"}, {"replica", "skybridge-0"}}
	names := []string{"direction", "initiator_ip", "initiator_port", "node_tid", "protocol", "target_ip", "target_port"}
	var set LabelSet
	for i := range n {
		values := []string{
			"initiator_to_target", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), fmt.Sprint(32768 + i%28000),
			fmt.Sprintf("6f6e8b1c-5f0a-5b7e-%04x-2f1d5b3b9a10", i%16), "TCP", fmt.Sprintf("192.168.%d.%d", i>>4&255, i&15), "443",
		}
		add := func(m *Metric, start int64, v float64) {
			b.Add(&set, m, Sample{Value: math.Float64bits(v), At: 1_700_000_015_000, Start: start})
		}
		set.SetValues(names, values, external)
		add(bytesMetric, 1_700_000_000_000, float64(i)*1500)
		add(packetsMetric, 1_700_000_000_000, float64(i))
		add(rttMetric, 0, 250_000)
		values[0] = "target_to_initiator"
		set.SetValues(names, values, external)
		add(bytesMetric, 1_700_000_000_000, float64(i)*900)
		add(packetsMetric, 1_700_000_000_000, float64(i))
	}
}

// BenchmarkEncode measures a block becoming the body of a request, and prompb and
// golang/snappy doing so from structs that are there already.
func BenchmarkEncode(b *testing.B) {
	var builder Builder
	connections(&builder, MaxBlockSamples/5)
	block := builder.Take()[0]
	var e Encoder
	var reader Reader
	plain := encode(b, &e, V1, block.Data, 0, MaxBlockSamples, nil)
	var generic prompb.WriteRequest
	if err := generic.Unmarshal(plain); err != nil {
		b.Fatal(err)
	}
	var body, buf []byte
	for name, run := range map[string]func() error{
		"1.0": func() (err error) {
			body, _, err = e.Encode(body, V1, block.Data, 0, MaxBlockSamples, nil)
			return err
		},
		"2.0, changed": func() (err error) {
			body, _, err = e.Encode(body, V2, block.Data, 0, MaxBlockSamples, func(*Sample) bool { return true })
			return err
		},
		"prompb": func() (err error) {
			buf = slices.Grow(buf[:0], generic.Size())[:generic.Size()]
			_, err = generic.MarshalToSizedBuffer(buf)
			body = snappy.Encode(body[:cap(body)], buf)
			return err
		},
		"read": func() error { return reader.Check(block.Data) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/MaxBlockSamples, "ns/sample")
			b.ReportMetric(float64(len(body))/MaxBlockSamples, "B/sample")
		})
	}
}
