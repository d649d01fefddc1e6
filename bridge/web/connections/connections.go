// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package connections lists the connections of the latest tick, sorted and filtered,
// with their rates: what /api/v1/connections answers and the status page shows.
package connections

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
)

// Page is what /api/v1/connections answers; docs/reference/api.md describes it.
// What has one value for each direction has initiator to target first; without the
// label direction it has one value, the sum.
type Page struct {
	Taken   time.Time `json:"taken"`
	Labels  []string  `json:"labels"`
	Total   int       `json:"total"`
	Matched int       `json:"matched"`
	LeftOut int       `json:"left_out,omitempty"`
	Offset  int       `json:"offset"`
	Limit   int       `json:"limit"`
	Sort    string    `json:"sort"`
	Order   string    `json:"order"`
	Filter  string    `json:"filter"`
	// Rate is over all connections, History their sum at the times HistoryAt (ms).
	Rate        []float64    `json:"rate"`
	HistoryAt   []int64      `json:"history_at"`
	History     []float64    `json:"history"`
	Connections []Connection `json:"connections"`
}

// Connection is one connection as the latest tick has it.
type Connection struct {
	Labels   map[string]string `json:"labels"`
	Names    rowNames          `json:"names,omitzero"`
	Overflow bool              `json:"overflow,omitempty"`
	Rate     []float64         `json:"rate"` // bytes per second
	Bytes    []uint64          `json:"bytes"`
	Packets  []uint64          `json:"packets"`
	RTT      uint64            `json:"rtt_nanoseconds,omitempty"`
	// History is Rate, both directions together, at the last of HistoryAt; it is there
	// for the fastest only.
	History []float64 `json:"history,omitempty"`
}

// View is what readers see of the connections. It may be used from many goroutines.
type View struct {
	names   Names
	list    *list
	history *history
}

// New returns a View of a source's connections, by the clock now. names may be nil.
func New(source Source, names Names, now func() time.Time) *View {
	return &View{names, newList(source, names, now), newHistory(source)}
}

// Tick takes a new tick into the histories, and releases a list that is no longer read.
func (v *View) Tick(now time.Time) {
	v.history.observe(now)
	v.list.rest()
}

// Page returns the page of connections that a query asks for. The error is that of ctx:
// the reader has left.
func (v *View) Page(ctx context.Context, q Query) (Page, error) {
	p, err := v.list.page(ctx, q)
	if err != nil {
		return Page{}, err
	}
	c := Page{
		Taken: p.taken.UTC(), Total: p.connections, Matched: p.matched, LeftOut: p.leftOut,
		Offset: q.Offset, Limit: q.Limit, Sort: q.Sort, Order: q.Order(), Filter: q.Filter,
		Labels: []string{}, Connections: make([]Connection, 0, len(p.rows)), HistoryAt: []int64{},
	}
	both := true
	if p.layout != nil {
		both = p.layout.Direction >= 0
		for i, name := range p.layout.Names {
			if i != p.layout.Direction {
				c.Labels = append(c.Labels, name)
			}
		}
	}
	c.Rate = directions([2]float64{tenths(p.rate[0]), tenths(p.rate[1])}, both)
	at, total := v.history.times()
	c.HistoryAt, c.History = append(c.HistoryAt, at...), rates(total)
	for i := range p.rows {
		c.Connections = append(c.Connections, v.connection(&p.rows[i]))
	}
	return c, nil
}

func (v *View) connection(row *aggregator.TrafficRow) Connection {
	both := row.Layout.Direction >= 0
	c := Connection{
		Labels: map[string]string{}, Overflow: row.Overflow, RTT: row.Gauges[aggregator.RTT],
		Rate:  directions([2]float64{tenths(float64(row.Rate[0])), tenths(float64(row.Rate[1]))}, both),
		Bytes: directions(row.Bytes, both), Packets: directions(row.Packets, both),
	}
	for i, value := range row.Layout.Values(row.Values) {
		if value != "" {
			c.Labels[row.Layout.Names[i]] = value
		}
	}
	if v.names != nil && !row.Overflow {
		c.Names = namesOf(row, v.names)
	}
	if points := v.history.points(row.Values); points != nil {
		c.History = rates(points)
	}
	return c
}

// directions is what has one value for each direction, or one.
func directions[T any](v [2]T, both bool) []T {
	if both {
		return slices.Clone(v[:])
	}
	return slices.Clone(v[:1])
}

// rates are whole bytes per second: a line is drawn from them.
func rates(points []float32) []float64 {
	out := make([]float64, len(points))
	for i, p := range points {
		out[i] = math.Round(float64(p))
	}
	return out
}

// tenths rounds a rate to what a person reads.
func tenths(rate float64) float64 { return math.Round(rate*10) / 10 }
