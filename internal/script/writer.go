// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package script

import (
	"math/rand/v2"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// Options say how large a script is.
type Options struct {
	Seed        uint64
	Connections int // at each capture point
	Steps       int // update periods
	Analyzers   int // each record goes through one of them
	Now         int64
	// Step is the time between updates on the agents' clocks in ms, by default
	// 10,000.
	Step int64
	// Points is how many capture points there are on the one link, each on a node of
	// its own, 9 at most; by default 2.
	Points int
	// Clocks: the last point's agent has a clock that is set, and all agents but the
	// first, or the only one, are cut off now and then and deliver late.
	Clocks bool
	// Network are the connections, with nothing wrong but that some end records get lost.
	// By default there are Connections of all kinds, and everything goes wrong.
	Network []Connection
	// Expire is for how many steps a flow has no packets until it ends, by default 6.
	Expire int64
	// Captures: on the first point's node there is another capture, [SecondCapture], made
	// after the hello, which reports every third step and ends flows twice as late. The
	// first one then reports everything.
	Captures bool
}

// SecondCapture is the id of the other capture on the first point's node.
const SecondCapture = "c0000000-0000-4000-8000-000000000000"

// Connection describes one of a network.
type Connection struct {
	A, B         string        // addresses; none: it is ARP's
	PortA, PortB int64         // 0: without ports
	Protocol     string        // of the transport, or the application where there are no ports
	Application  string        // empty: the protocol
	Activity     float64       // chance that packets pass in a step
	Rate         float64       // bytes a second from A to B, of a negative one from B to A
	Wave         time.Duration // in which the rate swings; 0: it does not
	Short        bool          // packets pass in one step; what comes later has another port
	Points       []int         // the capture points that see it; none: all
}

// portless says whether the protocol has no ports.
func (c Connection) portless() bool { return c.PortB == 0 }

type point struct {
	node, capture  string
	offset         int64           // ms, the agent's clock against ours
	update         int             // how often records are made, in steps
	expire         int64           // for how many steps a flow has no packets until it ends
	isSet, isCut   bool            // see [Options.Clocks]
	wrong          int64           // ms of the offset, where the clock was set
	cut            int             // steps until the agent is no longer cut off
	queue          []analyzer.Flow // what the agent sends next
	delayed        []analyzer.Flow // and what comes a step later
	carrier        *connection     // the latest GRE tunnel
	packets, bytes int64           // that passed
}

// Writer writes a script step by step, without end. It is not safe for concurrent use.
type Writer struct {
	o           Options
	rng         *rand.Rand
	now         int64
	points      []*point
	connections []*connection
	steps       int
}

func (w *Writer) chance(p float64) bool { return w.rng.Float64() < p }

// connection is a 5-tuple at a capture point, with the flow that Skydive has
// for it, if any. Its times are ms on the agent's clock.
type connection struct {
	Connection
	rng        *rand.Rand // decides what passes
	vlan       int64      // 0: none
	id         int
	point      *point
	swapped    bool
	finish     int64  // FinishType of every update
	tunnel     string // the flow of a tunnel that carries it, by UUID
	carrier    *connection
	second     *connection // the same, as the second capture sees it
	isSecond   bool
	carries    bool // it is a tunnel itself
	generation int  // how many flows it has had
	flow       *analyzer.Flow
	updated    int64            // when the latest update was made
	window     *analyzer.Metric // its LastUpdateMetric
	reported   analyzer.Metric
}
