// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/internal/rows"
)

// TestFilterAllocatesNothing for a row, whatever is looked for.
func TestFilterAllocatesNothing(t *testing.T) {
	row := aggregator.TrafficRow{Row: rows.Many(1).Rows[0]}
	for text, want := range map[string]bool{
		"tcp": true, "TCP 443": true, "4F1D4AC1": true, "tcp nothing": false, "target_port=443 protocol=tcp": true,
		"target_port=44": false, strings.Repeat("a", maxTerm): false,
	} {
		f := newFilter(text, nil)
		if got := f.match(&row); got != want {
			t.Errorf("%q: %t", text, got)
		}
		if n := testing.AllocsPerRun(10, func() { f.match(&row) }); n != 0 {
			t.Errorf("%q: %v allocations a row", text, n)
		}
	}
}

// TestLongValue can be asked for as a whole, though no part as long can.
func TestLongValue(t *testing.T) {
	value := strings.Repeat("x", maxTerm+1)
	if _, err := ParseQuery("filter=node_tid%3d"+value, true); err != nil {
		t.Error(err)
	}
	if _, err := ParseQuery("filter=no_label%3d"+value, true); err == nil {
		t.Error("a part of a value may be as long")
	}
}

// leaving is a source and names of whose reader the context ends in the middle.
type leaving struct {
	*rows.Source
	leave   context.CancelFunc
	batches int
	asked   int
}

func (s *leaving) ScrapeTraffic(c *aggregator.ScrapeCursor, rows []aggregator.TrafficRow) int {
	s.batches++
	if s.batches == 2 {
		s.leave()
	}
	return s.Source.ScrapeTraffic(c, rows)
}

func (s *leaving) KnownAddress(string) string {
	s.asked++
	s.leave()
	return ""
}

func (s *leaving) KnownNode(string) label.NodeNames { return label.NodeNames{} }

// TestReaderLeavesMidway: the list is not made to its end for no one, what there is of
// it is let go, and the next reader gets all of it.
func TestReaderLeavesMidway(t *testing.T) {
	const n = 5 * leaveRows
	ctx, leave := context.WithCancel(t.Context())
	s := &leaving{Source: rows.Many(n), leave: leave}
	now := time.Unix(1_800_000_000, 0)
	l := newList(s, s, func() time.Time { return now })
	if _, err := l.page(ctx, Query{Sort: SortRate, Limit: 1}); !errors.Is(err, context.Canceled) || s.batches != 2 {
		t.Errorf("scan: %v after %d batches", err, s.batches)
	}
	if l.rows != nil || !l.taken.IsZero() {
		t.Error("half a list is kept")
	}
	ctx, s.leave = context.WithCancel(t.Context())
	s.batches = 2
	_, err := l.page(ctx, Query{Sort: SortRate, Filter: "nothing", Limit: 1})
	if !errors.Is(err, context.Canceled) || s.asked == 0 || s.asked > 2*leaveRows || len(l.orders) != 0 {
		t.Errorf("filter: %v after %d names, %d orders", err, s.asked, len(l.orders))
	}
	p, err := l.page(t.Context(), Query{Sort: SortRate, Limit: 1})
	if err != nil || p.connections != n || p.matched != n {
		t.Errorf("the next reader: %v, %+v", err, p.listTotals)
	}
}
