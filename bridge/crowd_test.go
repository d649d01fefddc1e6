// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/replica"
)

const (
	// crowdStep is how often some of a crowd report, crowdUpdate how often each
	// connection does: Skydive's flow.update.
	crowdStep   = 15 * time.Second
	crowdUpdate = time.Minute
	// crowdNodes is how many capture nodes the connections are spread over.
	crowdNodes = 8
	// crowdRest is how long a tuple rests before it may return: most have ended by
	// then (connection_timeout after the next update was due), some have not.
	crowdRest = 90 * time.Second
)

// crowd is many connections that come, report and go. All of them begin while the
// bridge watches, so what they report is what counts: the reference is their sum.
type crowd struct {
	random *rand.Rand
	slots  []crowdFlow
	steps  int
	churn  float64 // which part of the slots gets another connection each minute
	rested []restedTuple
	// tuples are all connections that ever were, by number; born is the scheme at
	// the time of their first report.
	tuples []crowdTuple
	// totals are what each tuple must count, by scheme: which labels were in force.
	totals [][]crowdCounts
	scheme crowdScheme
	flows  []input.Flow
}

// crowdScheme is how series are called at a time.
type crowdScheme int

const (
	allLabels crowdScheme = iota
	withoutPort
)

// crowdCounts are bytes and packets, A to B and B to A.
type crowdCounts [4]int64

type crowdTuple struct {
	a, node []byte
	port    int64
	first   time.Time
}

type restedTuple struct {
	tuple int
	since time.Time
}

// crowdFlow is a Skydive flow: cumulative counts, and when it was last reported.
type crowdFlow struct {
	tuple       int
	uuid        []byte
	total       crowdCounts
	start, last int64 // ms
}

// newCrowd makes a crowd of so many series at a time, four for each connection, of
// which the given part changes each minute.
func newCrowd(seed uint64, series int, churn float64) *crowd {
	return &crowd{random: rand.New(rand.NewPCG(seed, 0)), slots: make([]crowdFlow, series/4), churn: churn, totals: make([][]crowdCounts, 2)}
}

// report lets those connections report whose turn it is.
func (c *crowd) report(now time.Time, to *replica.Replica) {
	turns := int(crowdUpdate / crowdStep)
	turn := c.steps % turns
	c.steps++
	c.flows = c.flows[:0]
	for i := turn; i < len(c.slots); i += turns {
		f := &c.slots[i]
		if f.uuid == nil || c.random.Float64() < c.churn {
			c.replace(f, i, now)
		}
		c.flows = append(c.flows, c.grow(f, now))
	}
	to.Update(c.flows)
}

// replace ends a slot's flow, of which nothing more is reported, and begins another:
// of a new tuple or of one that has rested.
func (c *crowd) replace(f *crowdFlow, slot int, now time.Time) {
	if f.uuid != nil {
		c.rested = append(c.rested, restedTuple{f.tuple, now})
	}
	next := len(c.tuples)
	if len(c.rested) > 0 && now.Sub(c.rested[0].since) > crowdRest && c.random.IntN(2) == 0 {
		next, c.rested = c.rested[0].tuple, c.rested[1:]
	} else {
		c.tuples = append(c.tuples, crowdTuple{
			a:    fmt.Appendf(nil, "10.%d.%d.%d", next>>16, next>>8&255, next&255),
			node: fmt.Appendf(nil, "n%d", next%crowdNodes), port: int64(1024 + next%60000), first: now,
		})
		for i := range c.totals {
			c.totals[i] = append(c.totals[i], crowdCounts{})
		}
	}
	*f = crowdFlow{tuple: next, uuid: fmt.Appendf(nil, "%d-%d", slot, c.steps), start: now.UnixMilli() - 1000, last: now.UnixMilli() - 1000}
}

// grow lets a flow carry something and returns its record.
func (c *crowd) grow(f *crowdFlow, now time.Time) input.Flow {
	delta := crowdCounts{1 + c.random.Int64N(100_000), c.random.Int64N(1000), 1 + c.random.Int64N(100), c.random.Int64N(10)}
	for i, n := range delta {
		f.total[i] += n
		c.totals[c.scheme][f.tuple][i] += n
	}
	metric := func(n crowdCounts, start int64) input.Metric {
		return input.Metric{ABBytes: n[0], BABytes: n[1], ABPackets: n[2], BAPackets: n[3], Start: start, Last: now.UnixMilli()}
	}
	record := input.Flow{
		UUID: f.uuid, NodeTID: c.tuples[f.tuple].node, CaptureID: []byte("c"), NetworkA: c.tuples[f.tuple].a, NetworkB: []byte("192.0.2.1"),
		HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: c.tuples[f.tuple].port, TransportB: 443,
		Start: f.start, Metric: metric(f.total, f.start), LastUpdate: metric(delta, f.last), HasLastUpdate: true,
	}
	f.last = now.UnixMilli()
	return record
}

// want returns what the series of a node must have increased by, those of
// connections that began after the given time.
func (c *crowd) want(node string, after time.Time) map[string]uint64 {
	want := map[string]uint64{}
	for i, t := range c.tuples {
		if string(t.node) != node || !t.first.After(after) {
			continue
		}
		for scheme, totals := range c.totals {
			s := map[string]string{"initiator_ip": string(t.a), "target_ip": "192.0.2.1", "target_port": "443", "node_tid": node, "protocol": "TCP"}
			if crowdScheme(scheme) == allLabels {
				s["initiator_port"] = strconv.FormatInt(t.port, 10)
			}
			for j, n := range totals[i] {
				s["direction"] = []string{"initiator_to_target", "target_to_initiator"}[j%2]
				if n > 0 {
					want[reference.Name([]string{"bytes", "packets"}[j/2], s, reference.DefaultLabels())] = uint64(n)
				}
			}
		}
	}
	return want
}
