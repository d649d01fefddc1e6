// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package script writes feeds for tests and for the demo: what analyzers report of a
// small network over some minutes, with everything that real feeds do wrong, or, of a
// network that is given, with little of that. A script is determined by its seed.
package script

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// defaultStep is the time between updates in ms, Skydive's flow.update.
const defaultStep = 10_000

// Message is what one analyzer sends at once.
type Message struct {
	Analyzer int
	Flows    []analyzer.Flow
}

// Script is a feed. The messages of a step arrive in any order, and may arrive
// while those of the step before do.
type Script struct {
	// Hello are the first messages of every node and capture: they set its epoch.
	// They must have arrived, in this order, before the first step.
	Hello []Message
	Steps [][]Message
}

// Messages returns how many messages and records a script has.
func (s *Script) Messages() (messages, records int) {
	for _, step := range append([][]Message{s.Hello}, s.Steps...) {
		messages += len(step)
		for _, m := range step {
			records += len(m.Flows)
		}
	}
	return messages, records
}

// Write returns the script with the given options.
func Write(o Options) *Script {
	w := New(o)
	s := &Script{Hello: w.Hello()}
	for range o.Steps {
		s.Steps = append(s.Steps, w.Step())
	}
	s.Steps = append(s.Steps, w.Step()) // what was delayed
	return s
}

// New returns the writer of a script. [Writer.Hello] comes first.
func New(o Options) *Writer {
	if o.Step == 0 {
		o.Step = defaultStep
	}
	if o.Points == 0 {
		o.Points = 2
	}
	if o.Expire == 0 {
		o.Expire = 6
	}
	w := &Writer{o: o, rng: rand.New(rand.NewPCG(o.Seed, 1)), now: o.Now}
	// Capture points on one link, one agent a minute ahead and one a minute behind;
	// the second point saw half of the connections from the other side.
	for i := range o.Points {
		p := &point{
			node:    fmt.Sprintf("%08d-0000-5000-8000-%012d", 11_111_111*(i+1), i+1),
			capture: fmt.Sprintf("c%d000000-0000-4000-8000-%012d", i+1, i+1),
			offset:  []int64{60_000, -60_000}[i%2],
			isSet:   o.Clocks && i == o.Points-1,
			isCut:   o.Clocks && (i > 0 || o.Points == 1),
			update:  1, expire: o.Expire,
		}
		if o.Network != nil {
			p.offset = 137 * int64(i) // as clocks that are kept
		}
		w.points = append(w.points, p)
	}
	for i := range max(o.Connections, len(o.Network)) {
		for n, p := range w.points {
			var c *connection
			if o.Network == nil {
				c = w.connection(i)
				c.swapped = len(w.points) > 1 && n == 1 && i%2 == 1
			} else if c = (&connection{id: i, Connection: o.Network[i]}); len(c.Points) > 0 && !slices.Contains(c.Points, n) {
				continue
			}
			c.point, c.rng = p, w.rng
			if c.Protocol == gre {
				p.carrier = c
			} else if i%11 == 0 {
				c.carrier = p.carrier
			}
			w.connections = append(w.connections, c)
		}
	}
	return w
}

// Hello makes the flows that live already when the bridge comes: the first
// record of a capture may be an end record, which sets no epoch, and some
// flows' last update is older than the epoch.
func (w *Writer) Hello() (messages []Message) {
	for _, p := range w.points {
		var flows []analyzer.Flow
		for _, c := range w.connections {
			if c.point != p || !w.lives(c) {
				continue
			}
			w.draw(c)
			w.open(c, w.now-int64(c.rng.IntN(3_600_000))-w.o.Step)
			w.traffic(c, c.flow.Start-c.point.offset+1) // history
			c.reported = *c.flow.Metric
			c.updated = p.offset + w.now - w.o.Step
			w.traffic(c, w.now-1)
			f := w.update(c, w.now)
			switch {
			case c.Protocol == gre || w.o.Network != nil:
			case len(flows) == 0:
				f.FinishType = 1
				c.flow = nil
			case len(flows) > 2 && !w.o.Clocks && w.chance(0.2) && f.Start < f.LastUpdateMetric.Start-2*w.o.Step:
				f.LastUpdateMetric.Start -= 2 * w.o.Step
				f.LastUpdateMetric.Last -= 2 * w.o.Step
			}
			flows = append(flows, f)
		}
		messages = append(messages, w.messages(flows)...) // of analyzer 0: one socket keeps their order
	}
	if w.o.Captures {
		w.addCapture()
	}
	return messages
}

// lives says whether a connection has a flow when the bridge comes.
func (w *Writer) lives(c *connection) bool {
	if w.o.Network != nil {
		return c.Activity == 1
	}
	return w.chance(0.3) || c.Protocol == gre
}

// Step lets an update period pass and returns what is reported of it.
func (w *Writer) Step() (messages []Message) {
	w.now += w.o.Step
	for _, p := range w.points {
		w.setClock(p)
	}
	for _, c := range w.connections {
		w.watch(c)
	}
	var records []analyzer.Flow
	for _, p := range w.points {
		records = append(records, w.deliver(p)...)
	}
	byAnalyzer := make([][]analyzer.Flow, max(w.o.Analyzers, 1))
	for _, f := range records {
		n := w.rng.IntN(len(byAnalyzer))
		byAnalyzer[n] = append(byAnalyzer[n], f)
	}
	for n, flows := range byAnalyzer {
		for _, m := range w.messages(flows) {
			m.Analyzer = n
			messages = append(messages, m)
		}
	}
	w.steps++
	return messages
}

// watch lets a connection's packets of the period pass, and reports them.
func (w *Writer) watch(c *connection) {
	w.draw(c)
	p := c.point
	switch {
	case c.isSecond: // they have passed
	case c.flow == nil && c.rng.Float64() < c.Activity/2:
		w.open(c, w.now-int64(c.rng.IntN(int(w.o.Step)-1))-1)
		w.traffic(c, c.flow.Start-p.offset)
	case c.flow != nil && !c.Short && c.rng.Float64() < c.Activity:
		w.traffic(c, w.now-int64(c.rng.IntN(int(w.o.Step)-1)))
	}
	if c.flow == nil || w.steps%p.update != 0 {
		return
	}
	expire := p.expire
	if c.Application == "DNS" || c.Application == "ARP" {
		expire = 1 // agents know them to be short
	}
	if w.now+p.offset-c.flow.Last > expire*w.o.Step {
		w.expire(c)
		return
	}
	if *c.flow.Metric == c.reported {
		return // idle flows are not reported
	}
	f := w.update(c, w.now)
	if c.second != nil || w.o.Network != nil { // all of it is reported
		p.send(f)
		return
	}
	w.spoil(&f)
	switch {
	case w.chance(0.03): // lost on the way to the analyzer
	case w.chance(0.05): // late: after the next
		p.delayed = append(p.delayed, f)
	case w.chance(0.06): // twice in one message
		p.send(f, f)
	default:
		p.send(f)
	}
}

// expire ends a connection's flow. Some end records get lost, others overtake an update.
func (w *Writer) expire(c *connection) {
	f := w.end(c)
	if w.chance(0.3) && c.second == nil {
		return
	}
	c.point.send(f)
	if !w.o.Clocks && w.o.Network == nil && w.chance(0.2) {
		f.FinishType = c.finish
		c.point.delayed = append(c.point.delayed, f)
	}
}

// messages splits records as an analyzer does: at most 100 each.
func (w *Writer) messages(flows []analyzer.Flow) (out []Message) {
	for len(flows) > 0 {
		n := min(len(flows), 1+w.rng.IntN(100))
		out = append(out, Message{Flows: flows[:n]})
		flows = flows[n:]
	}
	return out
}
