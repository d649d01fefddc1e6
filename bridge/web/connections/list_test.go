// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/internal/rows"
)

// turning counts how often a source was walked from the beginning.
type turning struct {
	*rows.Source
	mu    sync.Mutex
	walks map[*aggregator.ScrapeCursor]bool
}

func (s *turning) ScrapeTraffic(c *aggregator.ScrapeCursor, rows []aggregator.TrafficRow) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.walks[c] = true
	return s.Source.ScrapeTraffic(c, rows)
}

// TestReadersShareAScan proves that however many read, the connections are looked at
// once a second at most, and that each sees what is no older.
func TestReadersShareAScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &turning{Source: rows.Many(1000), walks: map[*aggregator.ScrapeCursor]bool{}}
		l := newList(s, nil, time.Now)
		const seconds, readers = 10, 20
		var reading sync.WaitGroup
		for range readers {
			reading.Go(func() {
				for range 4 * seconds {
					p, err := l.page(t.Context(), Query{Sort: SortBytes, Limit: 10})
					if err != nil || len(p.rows) != 10 || p.rows[0].Bytes[0] != 999*1234567 || time.Since(p.taken) >= time.Second {
						t.Errorf("%v, %d rows", err, len(p.rows))
					}
					time.Sleep(250 * time.Millisecond)
				}
			})
		}
		reading.Wait()
		if len(s.walks) != seconds {
			t.Errorf("%d walks in %d seconds", len(s.walks), seconds)
		}
	})
}

// TestReaderThatLeaves proves that who waits for another's turn can leave.
func TestReaderThatLeaves(t *testing.T) {
	l := newList(rows.Many(10), nil, time.Now)
	l.turn <- struct{}{} // somebody is at it
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := l.page(ctx, Query{Sort: SortRate, Limit: 1}); err == nil {
		t.Error("no error")
	}
	l.rest() // does not wait either
}

// TestListIsBounded proves that what is kept of a list has a bound, that what is
// beyond it is counted, and that nothing is kept that no one reads.
func TestListIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := rows.Many(1000)
	l := newList(s, nil, func() time.Time { return now })
	l.bound = 300
	for _, sort := range sortKeys() {
		p, err := l.page(t.Context(), Query{Sort: sort, Limit: maxLimit})
		if err != nil || p.connections != 1000 || p.leftOut != 700 || p.matched != 300 || len(p.rows) != 300 {
			t.Fatalf("%+v, %v", p.listTotals, err)
		}
	}
	if len(l.orders) != maxOrders || cap(l.rows) > 600 {
		t.Errorf("%d orders, room for %d rows", len(l.orders), cap(l.rows))
	}
	s.Rows = s.Rows[:10]
	now = now.Add(listFor)
	if p, _ := l.page(t.Context(), Query{Sort: SortRate, Limit: 50}); len(p.rows) != 10 {
		t.Errorf("%d rows after most have ended", len(p.rows))
	}
	for _, row := range l.rows[:300] {
		if row.Values != "" && row.Layout == nil {
			t.Fatal("half a row")
		}
	}
	for i, row := range l.rows[:300][10:] {
		if row.Layout != nil {
			t.Fatalf("row %d of those that ended is kept", i)
		}
	}
	now = now.Add(listKept - 1)
	if l.rest(); l.rows == nil {
		t.Error("let go of while somebody may come back")
	}
	now = now.Add(1)
	if l.rest(); l.rows != nil || l.orders != nil {
		t.Error("kept although no one reads it")
	}
	if p, _ := l.page(t.Context(), Query{Sort: SortRate, Limit: 50}); len(p.rows) != 10 {
		t.Errorf("%d rows when somebody comes back", len(p.rows))
	}
}
