// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package status is the state of a bridge as /api/v1/status answers it, and the page
// that shows it to people, with the connections.
package status

import "time"

// Status is what /api/v1/status answers; docs/reference/api.md describes it. Fields
// may be added, those that are there stay what they are. Everybody who reaches the
// port reads it, so secrets have no place in it.
type Status struct {
	Version            string     `json:"version"`
	Now                time.Time  `json:"now,omitzero"`     // when this was said
	Started            time.Time  `json:"started,omitzero"` // the process
	Ready              bool       `json:"ready"`
	Message            string     `json:"message"`
	ExactnessSuspended bool       `json:"exactness_suspended"`
	ClockWaitSeconds   float64    `json:"clock_wait_seconds"`
	Analyzers          []Analyzer `json:"analyzers"`
	Missing            []Missing  `json:"missing_analyzers"`
	Topology           []Topology `json:"topology"`
	Endpoints          []Endpoint `json:"endpoints"`
	Bounds             Bounds     `json:"bounds"`
	Overflow           []Overflow `json:"overflow"`
	Labels             []Label    `json:"labels"`
	Nodes              []Node     `json:"nodes"`
	Storage            Storage    `json:"storage"`
	// Config is the configuration in force, as YAML, secrets masked.
	Config string `json:"config"`
}

// Analyzer is one analyzer's feed.
type Analyzer struct {
	URL         string    `json:"url"`
	HostID      string    `json:"host_id,omitempty"` // what it calls itself
	SameAs      string    `json:"same_as,omitempty"` // the URL by which this analyzer is read already
	Connected   bool      `json:"connected"`
	Since       time.Time `json:"since,omitzero"` // when Connected became what it is
	LastMessage time.Time `json:"last_message,omitzero"`
	// Updates is how many flow records came, UpdatesPerSecond how fast in the last
	// minute or so; Dropped counts messages that were dropped because there were too many.
	Updates          uint64    `json:"updates"`
	UpdatesPerSecond float64   `json:"updates_per_second"`
	Reconnects       uint64    `json:"reconnects"`
	Dropped          uint64    `json:"shed"`
	LastError        string    `json:"last_error,omitempty"`
	LastErrorAt      time.Time `json:"last_error_at,omitzero"`
}

// Missing is an analyzer that exists and is not subscribed to.
type Missing struct {
	HostID  string `json:"host_id"`
	KnownBy string `json:"known_by"` // the URL of the analyzer that has it as a peer
	Hidden  bool   `json:"hidden"`   // it answers at the address of KnownBy
}

// Topology is what one analyzer tells of names and interfaces.
type Topology struct {
	URL       string    `json:"url"`
	OK        bool      `json:"ok"` // its latest answer was a good one
	Nodes     int       `json:"nodes"`
	Answered  time.Time `json:"answered,omitzero"` // the latest good answer
	LastError string    `json:"last_error,omitempty"`
}

// Endpoint is one receiver.
type Endpoint struct {
	Name string `json:"name,omitempty"`
	URL  string `json:"url"`
	// Version is that of remote-write that it is spoken to in, Shards how many requests
	// go out at once.
	Version string `json:"version"`
	Shards  int    `json:"shards"`
	OK      bool   `json:"ok"` // State is "ok"
	// State is "ok"; "not contacted": nothing was sent to it yet; "refusing": it refused
	// samples in the last 15 minutes; "failing": its latest answer was no good one.
	State string `json:"state"`
	// RefusedSamples is how many it refused in the last 15 minutes, LostBytes the traffic
	// that was lost to it for good meanwhile, for whatever reason.
	RefusedSamples uint64 `json:"refused_samples"`
	LostBytes      uint64 `json:"lost_bytes"`
	// RetriedUntil is until when what it refuses is retried; absent: it refuses nothing, or
	// what it refuses is lost.
	RetriedUntil time.Time `json:"retried_until,omitzero"`
	// LagSeconds is the age of the oldest tick that waits, 0 where none does.
	LagSeconds     float64   `json:"lag_seconds"`
	BacklogTicks   int       `json:"backlog_ticks"`
	BacklogSamples int64     `json:"backlog_samples"`
	LastSuccess    time.Time `json:"last_success,omitzero"`
	LastError      string    `json:"last_error,omitempty"` // in its own words; untrusted
	LastErrorAt    time.Time `json:"last_error_at,omitzero"`
	Remedy         string    `json:"remedy,omitempty"` // against it
}

// Storage is the room that is taken, in bytes. Without --storage.path what would be
// on disk is in memory.
type Storage struct {
	Durable bool   `json:"durable"`
	Log     Bytes  `json:"log"`    // on disk: ticks that wait or waited for receivers
	Memory  Bytes  `json:"memory"` // ticks in memory: all of them, or those that wait for the disk
	State   int64  `json:"state"`  // on disk: counters and flows
	Trouble string `json:"trouble,omitempty"`
}

// Bytes is a size against its limit, of which 0 is none.
type Bytes struct {
	Now   int64 `json:"now"`
	Limit int64 `json:"limit"`
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

// Overflow is what one bound moved to the overflow series: bytes since the process began, and about how many
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
	Name          string `json:"name,omitempty"`
	Series        int    `json:"series"`
	OverflowBytes uint64 `json:"overflow_bytes"`
}
