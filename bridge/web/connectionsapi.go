// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
)

// Names says what addresses and nodes are called, for a person's eye. Its methods
// answer at once, "" where nothing is known, and change nothing by being called.
type Names interface {
	KnownNode(tid string) aggregator.NodeNames
	KnownAddress(addr string) string
}

// Connections is what /api/v1/connections answers; docs/reference/api.md describes it.
// What has one value for each direction has initiator to target first; without the
// label direction it has one value, the sum.
type Connections struct {
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

// serveConnections answers with a page of the connections.
func (s *Server) serveConnections(w http.ResponseWriter, r *http.Request) {
	s.withConnections(w, r, true, func(_ listQuery, c Connections) { s.answerJSON(w, r, c) })
}

// withConnections has answer write the page of connections that a request asks for,
// within a place among the answers. strict refuses parameters that nobody knows.
func (s *Server) withConnections(w http.ResponseWriter, r *http.Request, strict bool, answer func(listQuery, Connections)) {
	q, err := parseListQuery(r.URL.RawQuery, strict)
	if err != nil {
		plain(w, http.StatusBadRequest, err.Error())
		return
	}
	release, ok := s.place(w, r)
	if !ok {
		return
	}
	defer release()
	c, err := s.connections(r.Context(), q)
	if err != nil {
		return // the client has gone
	}
	answer(q, c)
}

// connections returns the page of connections that a query asks for.
func (s *Server) connections(ctx context.Context, q listQuery) (Connections, error) {
	p, err := s.list.page(ctx, q)
	if err != nil {
		return Connections{}, err
	}
	c := Connections{
		Taken: p.taken.UTC(), Total: p.connections, Matched: p.matched, LeftOut: p.leftOut,
		Offset: q.Offset, Limit: q.Limit, Sort: q.Sort, Order: q.order(), Filter: q.Filter,
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
	at, total := s.history.times()
	c.HistoryAt, c.History = append(c.HistoryAt, at...), rates(total)
	for i := range p.rows {
		c.Connections = append(c.Connections, s.connection(&p.rows[i]))
	}
	return c, nil
}

func (s *Server) connection(row *aggregator.TrafficRow) Connection {
	both := row.Layout.Direction >= 0
	c := Connection{
		Labels: map[string]string{}, Overflow: row.Overflow, RTT: row.RTT,
		Rate:  directions([2]float64{tenths(float64(row.Rate[0])), tenths(float64(row.Rate[1]))}, both),
		Bytes: directions(row.Bytes, both), Packets: directions(row.Packets, both),
	}
	rest := row.Values
	for i, name := range row.Layout.Names {
		if i == row.Layout.Direction {
			continue
		}
		var value string
		if value, rest, _ = strings.Cut(rest, separatorString); value != "" {
			c.Labels[name] = value
		}
	}
	if s.opts.Names != nil && !row.Overflow {
		c.Names = namesOf(row, s.opts.Names)
	}
	if points := s.history.points(row.Values); points != nil {
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
