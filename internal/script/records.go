// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package script

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// open begins a new flow on a connection: a new UUID, counting from 0.
func (w *Writer) open(c *connection, start int64) {
	c.generation++
	if c.Short {
		c.PortA = 32768 + int64(c.rng.IntN(28000))
	}
	f := &analyzer.Flow{
		UUID:        fmt.Sprintf("%x", w.rng.Uint64()),
		Application: cmp.Or(c.Application, c.Protocol),
		Link:        &analyzer.Layer{Protocol: "ETHERNET", A: "02:00:00:00:00:0a", B: "02:00:00:00:00:0b", ID: c.vlan},
		Network:     &analyzer.Layer{Protocol: "IPV4", A: c.A, B: c.B},
		Transport:   &analyzer.Transport{Protocol: c.Protocol, A: c.PortA, B: c.PortB},
		Metric:      &analyzer.Metric{Start: start + c.point.offset},
		Start:       start + c.point.offset,
		NodeTID:     c.point.node,
		CaptureID:   c.point.capture,
		FinishType:  c.finish,
		LayersPath:  "Ethernet/IPv4/" + c.Protocol,
	}
	if c.generation%50 == 7 && w.o.Network == nil {
		f.UUID = fmt.Sprintf("no-number-%d-%d-%s", c.id, c.generation, c.point.node)
	}
	switch {
	case c.A == "":
		f.Network, f.LayersPath = nil, "Ethernet/"+c.Protocol
	case strings.Contains(c.A, ":"):
		f.Network.Protocol, f.LayersPath = "IPV6", "Ethernet/IPv6/"+c.Protocol
	}
	if c.swapped {
		f.Network.A, f.Network.B = c.B, c.A
		f.Transport.A, f.Transport.B = c.PortB, c.PortA
	}
	if c.portless() {
		f.Transport = nil
	}
	if strings.HasPrefix(c.Protocol, "ICMP") {
		f.ICMP = &analyzer.ICMP{Type: "ECHO", ID: uint32(c.id + 1)}
	}
	if c.carrier != nil {
		c.tunnel = c.carrier.flow.UUID
	}
	f.ParentUUID = c.tunnel
	if f.Application != c.Protocol {
		f.LayersPath += "/" + f.Application
	}
	if c.carries {
		f.LayersPath += "/VXLAN"
	}
	c.flow, c.reported, c.updated = f, analyzer.Metric{Start: f.Start}, f.Start
}

// traffic lets some packets pass at the given time.
func (w *Writer) traffic(c *connection, at int64) {
	was := *c.flow.Metric
	m := c.flow.Metric
	add := w.volume(c)
	m.ABPackets += add.ABPackets
	m.ABBytes += add.ABBytes
	m.BAPackets += add.BAPackets
	m.BABytes += add.BABytes
	c.point.packets += add.ABPackets + add.BAPackets
	c.point.bytes += add.ABBytes + add.BABytes
	if c.Protocol == "TCP" || c.flow.ICMP != nil {
		m.RTT = int64(c.rng.IntN(1_000_000))
	}
	m.Last = at + c.point.offset
	c.flow.Last = m.Last
	if c.second != nil {
		w.alsoPasses(c, was, at)
	}
}

// update is the record of what came since the last one.
func (w *Writer) update(c *connection, at int64) analyzer.Flow {
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
func (w *Writer) end(c *connection) analyzer.Flow {
	f := *c.flow
	m := *c.flow.Metric
	f.Metric, f.FinishType = &m, 1
	f.LastUpdateMetric = &analyzer.Metric{Start: c.window.Start, Last: c.window.Last, RTT: m.RTT}
	if w.chance(0.5) {
		*f.LastUpdateMetric = *c.window
	}
	c.flow = nil
	return f
}

// spoil does to a record's LastUpdateMetric what sources do.
func (w *Writer) spoil(f *analyzer.Flow) {
	switch {
	case w.chance(0.06):
		f.LastUpdateMetric = nil
	case w.chance(0.05):
		f.LastUpdateMetric.ABBytes *= -1
		f.LastUpdateMetric.BAPackets *= -1
	}
}
