// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package script

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// draw decides on what passes of a connection in this step, alike at all points that see
// it, where the network was given.
func (w *Writer) draw(c *connection) {
	if w.o.Network != nil {
		c.rng = rand.New(rand.NewPCG(w.o.Seed<<20+uint64(c.id), uint64(w.steps)))
	}
}

// volume is what passes of a connection at once.
func (w *Writer) volume(c *connection) (m analyzer.Metric) {
	if c.Rate == 0 {
		m.ABPackets = int64(1 + c.rng.IntN(1<<c.rng.IntN(12)))
		m.ABBytes = m.ABPackets*60 + int64(c.rng.IntN(int(m.ABPackets)*1400))
		if c.Protocol != "UDP" || c.rng.Float64() < 0.5 {
			m.BAPackets, m.BABytes = m.ABPackets/2+1, m.ABBytes/3
		}
		return m
	}
	step := time.Duration(w.o.Step) * time.Millisecond
	bytes := math.Abs(c.Rate) * step.Seconds() * (0.9 + 0.2*c.rng.Float64())
	if c.Wave > 0 {
		bytes *= 0.6 + 0.35*math.Sin(2*math.Pi*float64(w.steps)*float64(step)/float64(c.Wave))
	}
	m.ABBytes = 60 + int64(bytes)
	m.ABPackets = 1 + m.ABBytes/1400
	if c.Protocol != "UDP" || c.Application != "" {
		m.BAPackets = m.ABPackets/2 + 1
		m.BABytes = 66 * m.BAPackets
	}
	if c.Rate < 0 {
		m.ABPackets, m.ABBytes, m.BAPackets, m.BABytes = m.BAPackets, m.BABytes, m.ABPackets, m.ABBytes
	}
	return m
}

// Capture is one capture point as its agent describes it.
type Capture struct {
	NodeTID, CaptureID string
	Flows              int64 // in its table
	Packets, Bytes     int64 // since it began
}

// Captures returns the capture points.
func (w *Writer) Captures() (all []Capture) {
	for _, p := range w.points {
		c := Capture{NodeTID: p.node, CaptureID: p.capture, Packets: p.packets, Bytes: p.bytes}
		for _, one := range w.connections {
			if one.point == p && one.flow != nil {
				c.Flows++
			}
		}
		all = append(all, c)
	}
	return all
}

const (
	gre        = "GRE" // the protocol of tunnels, without ports
	accessVLAN = 11    // of which captures without tags see something
)

func (w *Writer) connection(i int) *connection {
	c := &connection{id: i, Connection: Connection{
		Protocol: "TCP",
		A:        fmt.Sprintf("10.77.%d.%d", i/250, i%250+1), B: "10.99.0.1",
		PortA: int64(32768 + i%28000), PortB: 443,
		Activity: []float64{1, 0.7, 0.3, 0.08}[i%4],
	}}
	switch i % 11 {
	case 3:
		c.Protocol, c.PortB = "UDP", 53
	case 1:
		c.vlan = []int64{10, accessVLAN}[i/11%2]
	case 2:
		if i/11%2 == 0 { // the one before in another VLAN
			former := w.connection(i - 1)
			c.A, c.PortA, c.vlan = former.A, former.PortA, 20
		}
	case 5:
		c.A, c.B = fmt.Sprintf("fd77::%x", i+1), "fd77::ffff"
	case 4:
		c.tunnel = "7a" // one that is not reported: it is older than the epoch, say
	case 6:
		c.carries = true
	case 7:
		c.PortB, c.Protocol = 0, "ICMPv4"
	case 8:
		c.finish = 2 + int64(i%2) // the first packet carried FIN or RST
	case 9:
		c.Protocol, c.PortB = "SCTP", 3868
	case 10: // it is there all the time
		c.PortB, c.Protocol, c.Activity = 0, gre, 1
	}
	return c
}
