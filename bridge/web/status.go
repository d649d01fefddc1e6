// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"net/http"
	"time"
)

// Status is what /api/v1/status answers; docs/reference/api.md describes it. Fields
// may be added, those that are there stay what they are. Everybody who reaches the
// port reads it, so secrets have no place in it.
type Status struct {
	Version            string     `json:"version"`
	Ready              bool       `json:"ready"`
	Message            string     `json:"message"`
	ExactnessSuspended bool       `json:"exactness_suspended"`
	Analyzers          []Analyzer `json:"analyzers"`
	Endpoints          []Endpoint `json:"endpoints"`
	Bounds             Bounds     `json:"bounds"`
	Overflow           []Overflow `json:"overflow"`
	Labels             []Label    `json:"labels"`
	Nodes              []Node     `json:"nodes"`
}

// Analyzer is one analyzer's feed.
type Analyzer struct {
	URL         string    `json:"url"`
	Connected   bool      `json:"connected"`
	Since       time.Time `json:"since,omitzero"` // when Connected became what it is
	LastMessage time.Time `json:"last_message,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
}

// Endpoint is one receiver.
type Endpoint struct {
	Name         string    `json:"name,omitempty"`
	URL          string    `json:"url"`
	OK           bool      `json:"ok"` // its latest answer was a good one
	BacklogTicks int       `json:"backlog_ticks"`
	LastSuccess  time.Time `json:"last_success,omitzero"`
	LastError    string    `json:"last_error,omitempty"`
	LastErrorAt  time.Time `json:"last_error_at,omitzero"`
}

// Bounds says how full the bridge is. SeriesPerNode is of the fullest node,
// Connections of those with series of their own.
type Bounds struct {
	Series        Bound `json:"series"`
	SeriesPerNode Bound `json:"series_per_node"`
	Connections   Bound `json:"connections"`
	Flows         Bound `json:"flows"`
}

// Bound is a number against its limit, of which 0 is none.
type Bound struct {
	Now   int `json:"now"`
	Limit int `json:"limit"`
}

// Overflow is what one bound folds: bytes since the process began, and about how many
// connections these are now.
type Overflow struct {
	Reason      string `json:"reason"`
	Bytes       uint64 `json:"bytes"`
	Connections int    `json:"connections"`
}

// Label is one of the labels of connections: about how many values it has, and how
// many series there would be without it.
type Label struct {
	Name          string `json:"name"`
	Values        int    `json:"values"`
	SeriesWithout int    `json:"series_without"`
}

// Node is one of the nodes with the most series.
type Node struct {
	TID           string `json:"node_tid"`
	Series        int    `json:"series"`
	OverflowBytes uint64 `json:"overflow_bytes"`
}

// serveStatus answers with the state of everything.
func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	body, err := json.MarshalIndent(s.opts.State(), "", "  ")
	if err != nil { // a time before the year 0, say
		s.opts.Logger.Error("writing the status failed", "err", err)
		plain(w, http.StatusInternalServerError, "the status could not be written")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body, '\n')) // nobody is left to tell
}
