// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/internal/rows"
)

// TestHistory proves that the fastest connections have their rates at the latest ticks,
// with nothing missing once they have begun, also those that are fast no more.
func TestHistory(t *testing.T) {
	s := rows.Many(1000)
	h := newHistory(s)
	for tick := range 5 {
		for i := range s.Rows {
			s.Rows[i].Bytes = [2]uint64{uint64(1000*tick + i), 5} // the last ones are the fastest
		}
		if tick == 3 {
			s.Rows[999].Bytes = [2]uint64{} // not any more
		}
		if tick == 4 {
			s.Rows = s.Rows[:998] // gone
		}
		h.observe(time.UnixMilli(int64(1000 * (tick + 1))))
	}
	rows := rows.Many(1000).Rows
	for i, want := range map[int][]float32{
		0: nil, 800: nil,
		999: {1004, 2004, 3004, 0, 0},
		998: {1003, 2003, 3003, 4003, 0},
		950: {955, 1955, 2955, 3955, 4955},
		899: {3904, 4904}, // among the fastest since the fastest was not
		898: {4903},
	} {
		if got := h.points(rows[i].Values); !slices.Equal(got, want) {
			t.Errorf("connection %d: %v, want %v", i, got, want)
		}
	}
	at, total := h.times()
	if !slices.Equal(at, []int64{1000, 2000, 3000, 4000, 5000}) || len(total) != 5 || total[0] != 999*1000/2+5*1000 {
		t.Errorf("at %v: %v", at, total)
	}
}

// TestHistoryIsBounded plays ticks at each of which others are the fastest.
func TestHistoryIsBounded(t *testing.T) {
	layout := rows.DirectedLayout()
	s := &rows.Source{}
	h := newHistory(s)
	for tick := range 3 * HistoryTicks {
		s.Rows = s.Rows[:0]
		for i := range 150 {
			s.Rows = append(s.Rows, aggregator.Row{Layout: layout, Values: rows.Values(fmt.Sprint(tick), fmt.Sprint(i), "n", "TCP", "t", "1"), Bytes: [2]uint64{uint64(i + 1)}})
		}
		h.observe(time.UnixMilli(int64(1000 * tick)))
		if len(h.of) > maxHistories || len(h.at) > HistoryTicks {
			t.Fatalf("tick %d: %d histories of %d ticks", tick, len(h.of), len(h.at))
		}
		if got := h.points(s.Rows[149].Values); len(got) != 1 || got[0] != 150 {
			t.Fatalf("the fastest of tick %d has %v", tick, got)
		}
	}
	s.Rows = nil
	for tick := range HistoryTicks + 1 {
		h.observe(time.UnixMilli(int64(1000 * (1000 + tick))))
	}
	if len(h.of) != 0 {
		t.Errorf("%d histories of what is long gone", len(h.of))
	}
}

// BenchmarkHistory is what the page costs at each tick, with no one looking.
func BenchmarkHistory(b *testing.B) {
	h := newHistory(rows.Many(100_000))
	b.ReportAllocs()
	for b.Loop() {
		h.observe(time.Now())
	}
}
