// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input_test

import (
	"testing"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
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

// BenchmarkJournal measures what appending costs beside the disk, whose writes are left out: one
// segment, for the next one would need what is missing.
func BenchmarkJournal(b *testing.B) {
	entries, flows := batches(b)
	system := disktest.Intercept(disk.OS{}, func(op disktest.Op, _ string, run func() error) error {
		if op == disktest.Write {
			return nil
		}
		return run()
	})
	j, _, err := input.OpenJournal(input.JournalConfig{FS: system, Dir: b.TempDir(), SegmentBytes: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range entries {
			if _, err := j.Append(&entries[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*flows), "ns/flow")
	_ = j.Close() // it finds the file shorter than what was written
}

// BenchmarkJournalRead measures reading back from the page cache, decoding included.
func BenchmarkJournalRead(b *testing.B) {
	entries, flows := batches(b)
	j, _, err := input.OpenJournal(input.JournalConfig{FS: disk.OS{}, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	const rounds = 1000
	for range rounds {
		for i := range entries {
			if _, err := j.Append(&entries[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := j.Sync(j.Next()); err != nil {
		b.Fatal(err)
	}
	size, _ := j.Size()
	b.SetBytes(size)
	for b.Loop() {
		n := 0
		if err := j.Read(1, func(_ uint64, e *input.Entry) error { n += len(e.Flows); return nil }); err != nil || n != rounds*flows {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(rounds*flows)*float64(b.N)/b.Elapsed().Seconds(), "flows/s")
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
