// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
)

// TestHistory proves that the fastest connections have their rates at the latest ticks,
// with nothing missing once they have begun, also those that are fast no more.
func TestHistory(t *testing.T) {
	s := many(1000)
	h := newHistory(s)
	for tick := range 5 {
		for i := range s.rows {
			s.rows[i].Bytes = [2]uint64{uint64(1000*tick + i), 5} // the last ones are the fastest
		}
		if tick == 3 {
			s.rows[999].Bytes = [2]uint64{} // not any more
		}
		if tick == 4 {
			s.rows = s.rows[:998] // gone
		}
		h.observe(time.UnixMilli(int64(1000 * (tick + 1))))
	}
	rows := many(1000).rows
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
	layout := directed()
	s := &source{}
	h := newHistory(s)
	for tick := range 3 * historyPoints {
		s.rows = s.rows[:0]
		for i := range 150 {
			s.rows = append(s.rows, aggregator.Row{Layout: layout, Values: values(fmt.Sprint(tick), fmt.Sprint(i), "n", "TCP", "t", "1"), Bytes: [2]uint64{uint64(i + 1)}})
		}
		h.observe(time.UnixMilli(int64(1000 * tick)))
		if len(h.of) > maxHistories || len(h.at) > historyPoints {
			t.Fatalf("tick %d: %d histories of %d ticks", tick, len(h.of), len(h.at))
		}
		if got := h.points(s.rows[149].Values); len(got) != 1 || got[0] != 150 {
			t.Fatalf("the fastest of tick %d has %v", tick, got)
		}
	}
	s.rows = nil
	for tick := range historyPoints + 1 {
		h.observe(time.UnixMilli(int64(1000 * (1000 + tick))))
	}
	if len(h.of) != 0 {
		t.Errorf("%d histories of what is long gone", len(h.of))
	}
}
