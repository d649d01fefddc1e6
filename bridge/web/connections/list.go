// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"context"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
)

const (
	// maxListed bounds the connections that a list is made of; a row takes 80 B. It
	// is as many as the default of max_series has room for.
	maxListed = 250_000
	// listFor is how long a list is good for: all readers share it.
	listFor = time.Second
	// listKept is how long a list that is not read is kept.
	listKept = time.Minute
	// maxOrders bounds how many orders of a list are kept; each takes 4 B a row.
	maxOrders = 4
	// scanRows is how many rows are asked for at a time.
	scanRows = 256
	// leaveRows is how many rows are looked at before the reader is asked whether it
	// is still there: some ms.
	leaveRows = 4096
)

// Source yields the connections of the latest tick with their rates. It is called from
// many goroutines. *aggregator.Aggregator implements it.
type Source interface {
	// ScrapeTraffic fills rows with connections not yet seen through the cursor and
	// returns how many; 0 is the end. The zero cursor is the beginning. What it
	// filled stays valid and unchanged, strings included.
	ScrapeTraffic(c *aggregator.ScrapeCursor, rows []aggregator.TrafficRow) int
}

// list is every connection as it was lately, for all who look. One reader at a time
// makes or reads it; what they take are copies.
type list struct {
	source Source
	names  Names // nil: none
	bound  int   // maxListed, but in tests
	now    func() time.Time

	turn   chan struct{} // holds a token while somebody is at what follows
	taken  time.Time     // zero: there is none
	asked  time.Time
	rows   []aggregator.TrafficRow
	totals listTotals
	orders []listOrder // the latest last
}

// listTotals are over all connections.
type listTotals struct {
	connections int // left out ones included
	leftOut     int // beyond the bound
	rate        [2]float64
}

// listOrder is the rows that a query lets through, sorted.
type listOrder struct {
	of    Query // whatever its page
	which []uint32
}

// listPage is a page of a list.
type listPage struct {
	listTotals
	taken   time.Time
	layout  *label.Layout // of the first row of the list; nil: there is none
	matched int
	rows    []aggregator.TrafficRow
}

func newList(source Source, names Names, now func() time.Time) *list {
	return &list{source: source, names: names, bound: maxListed, now: now, turn: make(chan struct{}, 1)}
}

// page returns what a query asks for. The error is that of ctx: the reader left
// while others were served or while its own was made.
func (l *list) page(ctx context.Context, q Query) (listPage, error) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return listPage{}, ctx.Err()
	}
	defer func() { <-l.turn }()
	now := l.now()
	if l.asked = now; l.taken.IsZero() || now.Sub(l.taken) >= listFor || now.Before(l.taken) {
		if err := l.scan(ctx, now); err != nil {
			return listPage{}, err
		}
	}
	which, err := l.order(ctx, q)
	if err != nil {
		return listPage{}, err
	}
	p := listPage{listTotals: l.totals, taken: l.taken, matched: len(which)}
	if len(l.rows) > 0 {
		p.layout = l.rows[0].Layout
	}
	from := min(q.Offset, len(which))
	for _, i := range which[from:min(from+q.Limit, len(which))] {
		p.rows = append(p.rows, l.rows[i])
	}
	return p, nil
}

// scan makes the list again. The memory of the last one is used again. Where the
// reader leaves, there is no list.
func (l *list) scan(ctx context.Context, now time.Time) error {
	l.taken, l.totals, l.orders = now, listTotals{}, nil
	rows, cursor := l.rows[:0], new(aggregator.ScrapeCursor)
	var batch [scanRows]aggregator.TrafficRow
	for n := l.source.ScrapeTraffic(cursor, batch[:]); n > 0; n = l.source.ScrapeTraffic(cursor, batch[:]) {
		if err := ctx.Err(); err != nil {
			l.taken, l.rows = time.Time{}, nil
			return err
		}
		for i := range batch[:n] {
			l.totals.connections++
			for d, rate := range batch[i].Rate {
				l.totals.rate[d] += float64(rate)
			}
			if len(rows) < l.bound {
				rows = append(rows, batch[i])
			} else {
				l.totals.leftOut++
			}
		}
	}
	if len(rows) < len(l.rows) {
		clear(l.rows[len(rows):]) // keep no text alive
	}
	l.rows = rows
	return nil
}

// order returns the rows that a query asks for, in its order. Readers who look at
// the same share it.
func (l *list) order(ctx context.Context, q Query) ([]uint32, error) {
	q.Offset, q.Limit = 0, 0
	for _, o := range l.orders {
		if o.of == q {
			return o.which, nil
		}
	}
	f := newFilter(q.Filter, l.names)
	var which []uint32
	if len(f.terms) == 0 {
		which = make([]uint32, 0, len(l.rows))
	}
	for i := range l.rows {
		if i%leaveRows == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if f.match(&l.rows[i]) {
			which = append(which, uint32(i))
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sortRows(l.rows, which, q.Sort, q.Ascending)
	if len(l.orders) == maxOrders {
		l.orders = append(l.orders[:0], l.orders[1:]...)
	}
	l.orders = append(l.orders, listOrder{q, which})
	return which, nil
}

// rest releases a list that has not been read for a while. It does not wait.
func (l *list) rest() {
	select {
	case l.turn <- struct{}{}:
	default:
		return // somebody reads it
	}
	defer func() { <-l.turn }()
	if !l.taken.IsZero() && l.now().Sub(l.asked) >= listKept {
		l.taken, l.rows, l.orders = time.Time{}, nil, nil
	}
}
