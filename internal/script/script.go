// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package script writes feeds for tests: what analyzers report of a small
// network over some minutes, with everything that real feeds do wrong. A script
// is determined by its seed.
package script

import (
	"fmt"
	"math/rand/v2"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// defaultStep is the time between updates in ms, Skydive's flow.update.
const defaultStep = 10_000

// Options say how large a script is.
type Options struct {
	Seed        uint64
	Connections int // at each capture point
	Steps       int // update periods
	Analyzers   int // each record goes through one of them
	Now         int64
	// Step is the time between updates on the agents' clocks in ms, by default
	// 10,000. A flow ends after six steps without packets (flow.expire).
	Step int64
	// Points is how many capture points there are on the one link, each on a node of
	// its own, 9 at most; by default 2.
	Points int
	// Clocks: the last point's agent has a clock that is set, and all agents but the
	// first, or the only one, are cut off now and then and deliver late.
	Clocks bool
	// Captures: on the first point's node there is another capture, [SecondCapture], made
	// after the hello, which reports every third step and ends flows twice as late. The
	// first one then tells everything.
	Captures bool
}

// SecondCapture is the id of the other capture on the first point's node.
const SecondCapture = "c0000000-0000-4000-8000-000000000000"

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
	if o.Step == 0 {
		o.Step = defaultStep
	}
	if o.Points == 0 {
		o.Points = 2
	}
	w := &writer{o: o, rng: rand.New(rand.NewPCG(o.Seed, 1)), now: o.Now, script: &Script{}}
	// Capture points on one link, one agent a minute ahead and one a minute behind;
	// the second point saw half of the connections from the other side.
	for i := range o.Points {
		w.points = append(w.points, &point{
			node:    fmt.Sprintf("%08d-0000-5000-8000-%012d", 11_111_111*(i+1), i+1),
			capture: fmt.Sprintf("c%d000000-0000-4000-8000-%012d", i+1, i+1),
			offset:  []int64{60_000, -60_000}[i%2],
			isSet:   o.Clocks && i == o.Points-1,
			isCut:   o.Clocks && (i > 0 || o.Points == 1),
			update:  1, expire: 6,
		})
	}
	for i := range o.Connections {
		for _, p := range w.points {
			c := w.connection(i)
			c.point, c.swapped = p, len(w.points) > 1 && p == w.points[1] && i%2 == 1
			if c.protocol == gre {
				p.carrier = c
			} else if i%11 == 0 {
				c.carrier = p.carrier
			}
			w.connections = append(w.connections, c)
		}
	}
	w.hello()
	if o.Captures {
		w.addCapture()
	}
	for range o.Steps {
		w.step()
	}
	w.step() // what was delayed
	return w.script
}

type point struct {
	node, capture string
	offset        int64           // ms, the agent's clock against ours
	update        int             // how often records are made, in steps
	expire        int64           // for how many steps a flow has no packets until it ends
	isSet, isCut  bool            // see [Options.Clocks]
	wrong         int64           // ms of the offset, where the clock was set
	cut           int             // steps until the agent is no longer cut off
	queue         []analyzer.Flow // what the agent sends next
	delayed       []analyzer.Flow // and what comes a step later
	carrier       *connection     // the latest GRE tunnel
}

const (
	gre        = "GRE" // the protocol of tunnels, without ports
	accessVLAN = 11    // of which captures without tags see something
)

// connection is a 5-tuple at a capture point, with the flow that Skydive has
// for it, if any. Its times are ms on the agent's clock.
type connection struct {
	vlan         int64 // 0: none
	id           int
	point        *point
	swapped      bool
	a, b         string
	portA, portB int64
	protocol     string
	portless     bool
	finish       int64 // FinishType of every update
	activity     float64
	tunnel       string // the flow of a tunnel that carries it, by UUID
	carrier      *connection
	second       *connection // the same, as the second capture sees it
	isSecond     bool
	carries      bool // it is a tunnel itself
	generation   int  // how many flows it has had
	flow         *analyzer.Flow
	updated      int64            // when the latest update was made
	window       *analyzer.Metric // its LastUpdateMetric
	reported     analyzer.Metric
}

type writer struct {
	o           Options
	rng         *rand.Rand
	now         int64
	points      []*point
	connections []*connection
	script      *Script
}

func (w *writer) chance(p float64) bool { return w.rng.Float64() < p }

func (w *writer) connection(i int) *connection {
	c := &connection{
		id: i, protocol: "TCP",
		a: fmt.Sprintf("10.77.%d.%d", i/250, i%250+1), b: "10.99.0.1",
		portA: int64(32768 + i%28000), portB: 443,
		activity: []float64{1, 0.7, 0.3, 0.08}[i%4],
	}
	switch i % 11 {
	case 3:
		c.protocol, c.portB = "UDP", 53
	case 1:
		c.vlan = []int64{10, accessVLAN}[i/11%2]
	case 2:
		if i/11%2 == 0 { // the one before in another VLAN
			former := w.connection(i - 1)
			c.a, c.portA, c.vlan = former.a, former.portA, 20
		}
	case 5:
		c.a, c.b = fmt.Sprintf("fd77::%x", i+1), "fd77::ffff"
	case 4:
		c.tunnel = "7a" // one that nobody reports: it is older than the epoch, say
	case 6:
		c.carries = true
	case 7:
		c.portless, c.protocol = true, "ICMPv4"
	case 8:
		c.finish = 2 + int64(i%2) // the first packet carried FIN or RST
	case 9:
		c.protocol, c.portB = "SCTP", 3868
	case 10: // it is there all the time
		c.portless, c.protocol, c.activity = true, gre, 1
	}
	return c
}

// hello makes the flows that live already when the bridge comes: the first
// record of a capture may be an end record, which sets no epoch, and some
// flows' last update is older than the epoch.
func (w *writer) hello() {
	for _, p := range w.points {
		var flows []analyzer.Flow
		for _, c := range w.connections {
			if c.point != p || (!w.chance(0.3) && c.protocol != gre) {
				continue
			}
			w.open(c, w.now-int64(w.rng.IntN(3_600_000))-w.o.Step)
			w.traffic(c, c.flow.Start-c.point.offset+1) // history
			c.reported = *c.flow.Metric
			c.updated = p.offset + w.now - w.o.Step
			w.traffic(c, w.now-1)
			f := w.update(c, w.now)
			switch {
			case len(flows) == 0 && c.protocol != gre:
				f.FinishType = 1
				c.flow = nil
			case len(flows) > 2 && !w.o.Clocks && c.protocol != gre && w.chance(0.2) && f.Start < f.LastUpdateMetric.Start-2*w.o.Step:
				f.LastUpdateMetric.Start -= 2 * w.o.Step
				f.LastUpdateMetric.Last -= 2 * w.o.Step
			}
			flows = append(flows, f)
		}
		w.script.Hello = append(w.script.Hello, w.messages(flows)...)
	}
	for i := range w.script.Hello {
		w.script.Hello[i].Analyzer = 0 // one socket keeps their order
	}
}

// step lets an update period pass and reports it.
func (w *writer) step() {
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
	var messages []Message
	for n, flows := range byAnalyzer {
		for _, m := range w.messages(flows) {
			m.Analyzer = n
			messages = append(messages, m)
		}
	}
	w.script.Steps = append(w.script.Steps, messages)
}

// watch lets a connection's packets of the period pass, and reports them.
func (w *writer) watch(c *connection) {
	p := c.point
	switch {
	case c.isSecond: // they have passed
	case c.flow == nil && w.chance(c.activity/2):
		w.open(c, w.now-int64(w.rng.IntN(int(w.o.Step)-1))-1)
		w.traffic(c, c.flow.Start-p.offset)
	case c.flow != nil && w.chance(c.activity):
		w.traffic(c, w.now-int64(w.rng.IntN(int(w.o.Step)-1)))
	}
	if c.flow == nil || len(w.script.Steps)%p.update != 0 {
		return
	}
	if w.now+p.offset-c.flow.Last > p.expire*w.o.Step {
		f := w.end(c)
		if w.chance(0.3) && c.second == nil { // end records get lost
			return
		}
		p.send(f)
		if !w.o.Clocks && w.chance(0.2) { // or overtake an update
			f.FinishType = c.finish
			p.delayed = append(p.delayed, f)
		}
		return
	}
	if *c.flow.Metric == c.reported {
		return // idle flows are not reported
	}
	f := w.update(c, w.now)
	if c.second != nil { // it tells everything
		p.send(f)
		return
	}
	w.spoil(&f)
	switch {
	case w.chance(0.03): // lost on the way to the analyzer
	case w.chance(0.05): // overtaken by the next
		p.delayed = append(p.delayed, f)
	case w.chance(0.06): // twice in one message
		p.send(f, f)
	default:
		p.send(f)
	}
}

// messages splits records as an analyzer does: at most 100 each.
func (w *writer) messages(flows []analyzer.Flow) (out []Message) {
	for len(flows) > 0 {
		n := min(len(flows), 1+w.rng.IntN(100))
		out = append(out, Message{Flows: flows[:n]})
		flows = flows[n:]
	}
	return out
}

// open begins a new flow on a connection: a new UUID, counting from 0.
func (w *writer) open(c *connection, start int64) {
	c.generation++
	f := &analyzer.Flow{
		UUID:        fmt.Sprintf("%x", w.rng.Uint64()),
		Application: c.protocol,
		Metric:      &analyzer.Metric{Start: start + c.point.offset},
		Start:       start + c.point.offset,
		NodeTID:     c.point.node,
		CaptureID:   c.point.capture,
		FinishType:  c.finish,
	}
	if c.generation%50 == 7 {
		f.UUID = fmt.Sprintf("no-number-%d-%d-%s", c.id, c.generation, c.point.node)
	}
	family := "IPV4"
	if c.a[0] == 'f' {
		family = "IPV6"
	}
	f.Network = &analyzer.Layer{Protocol: family, A: c.a, B: c.b}
	f.Transport = &analyzer.Transport{Protocol: c.protocol, A: c.portA, B: c.portB}
	if c.vlan != 0 {
		f.Link = &analyzer.Layer{Protocol: "ETHERNET", ID: c.vlan}
	}
	if c.swapped {
		f.Network.A, f.Network.B = c.b, c.a
		f.Transport.A, f.Transport.B = c.portB, c.portA
	}
	if c.portless {
		f.Transport = nil
	}
	if c.carrier != nil {
		c.tunnel = c.carrier.flow.UUID
	}
	f.ParentUUID, f.LayersPath = c.tunnel, "Ethernet/"+family+"/"+c.protocol
	if c.carries {
		f.LayersPath += "/VXLAN"
	}
	c.flow, c.reported, c.updated = f, analyzer.Metric{Start: f.Start}, f.Start
}

// traffic lets some packets pass at the given time.
func (w *writer) traffic(c *connection, at int64) {
	packets := int64(1 + w.rng.IntN(1<<w.rng.IntN(12)))
	bytes := packets*60 + int64(w.rng.IntN(int(packets)*1400))
	was := *c.flow.Metric
	m := c.flow.Metric
	m.ABPackets += packets
	m.ABBytes += bytes
	if c.protocol != "UDP" || w.chance(0.5) {
		m.BAPackets += packets/2 + 1
		m.BABytes += bytes / 3
	}
	if c.protocol == "TCP" {
		m.RTT = int64(w.rng.IntN(1_000_000))
	}
	m.Last = at + c.point.offset
	c.flow.Last = m.Last
	if c.second != nil {
		w.alsoPasses(c, was, at)
	}
}

// update is the record of what came since the last one.
func (w *writer) update(c *connection, at int64) analyzer.Flow {
	f := *c.flow
	m, was := *c.flow.Metric, c.reported
	f.Metric = &m
	f.LastUpdateMetric = &analyzer.Metric{
		ABBytes: m.ABBytes - was.ABBytes, ABPackets: m.ABPackets - was.ABPackets,
		BABytes: m.BABytes - was.BABytes, BAPackets: m.BAPackets - was.BAPackets,
		Start: c.updated, Last: at + c.point.offset, RTT: m.RTT,
	}
	c.reported, c.updated, c.window = m, f.LastUpdateMetric.Last, f.LastUpdateMetric
	return f
}

// end is the end record. Its LastUpdateMetric is zero with the former window, or
// repeats the last one.
func (w *writer) end(c *connection) analyzer.Flow {
	f := *c.flow
	m := *c.flow.Metric
	f.Metric, f.FinishType = &m, 1
	f.LastUpdateMetric = &analyzer.Metric{Start: c.window.Start, Last: c.window.Last}
	if w.chance(0.5) {
		*f.LastUpdateMetric = *c.window
	}
	c.flow = nil
	return f
}

// spoil does to a record's LastUpdateMetric what sources do.
func (w *writer) spoil(f *analyzer.Flow) {
	switch {
	case w.chance(0.06):
		f.LastUpdateMetric = nil
	case w.chance(0.05):
		f.LastUpdateMetric.ABBytes *= -1
		f.LastUpdateMetric.BAPackets *= -1
	}
}
