// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input_test

import (
	"testing"

	"github.com/skydive-project/skybridge/input"
)

// batches are the recorded messages of 50 flows and more, the size at which a busy analyzer
// sends, and how many flows they have.
func batches(tb testing.TB) (entries []input.Entry, flows int) {
	tb.Helper()
	for _, e := range recorded(tb, "session-mixed") {
		if len(e.Flows) >= 50 {
			entries = append(entries, e)
			flows += len(e.Flows)
		}
	}
	if len(entries) < 2 {
		tb.Fatalf("only %d large messages", len(entries))
	}
	return entries, flows
}

func BenchmarkAppend(b *testing.B) {
	entries, flows := batches(b)
	var c input.Codec
	var out []byte
	size := 0
	b.ReportAllocs()
	for b.Loop() {
		size = 0
		for i := range entries {
			out = c.Append(out[:0], &entries[i])
			size += len(out)
		}
	}
	b.ReportMetric(float64(size)/float64(flows), "B/flow")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*flows), "ns/flow")
}

func BenchmarkDecode(b *testing.B) {
	entries, flows := batches(b)
	var c input.Codec
	var encoded [][]byte
	for i := range entries {
		encoded = append(encoded, c.Append(nil, &entries[i]))
	}
	var e input.Entry
	b.ReportAllocs()
	for b.Loop() {
		for _, frame := range encoded {
			if err := c.Decode(frame, &e); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*flows), "ns/flow")
}

// TestCodecDoesNotAllocate proves that a message in the shape that an analyzer sends costs no
// allocation.
func TestCodecDoesNotAllocate(t *testing.T) {
	entries, _ := batches(t)
	var c input.Codec
	var e input.Entry
	var out []byte
	if n := testing.AllocsPerRun(10, func() {
		for i := range entries {
			out = c.Append(out[:0], &entries[i])
			if err := c.Decode(out, &e); err != nil {
				t.Fatal(err)
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations for %d messages", n, len(entries))
	}
}
