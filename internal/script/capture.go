// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package script

import (
	"math/rand/v2"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// addCapture makes the second capture of the first point's node.
func (w *Writer) addCapture() {
	p := *w.points[0]
	p.capture, p.update, p.expire, p.isSet, p.isCut = SecondCapture, 3, 12, false, false
	for _, c := range w.connections {
		if c.point == w.points[0] && !c.portless() {
			second := *c
			second.point, second.flow, second.isSecond = &p, nil, true
			c.second = &second
		}
	}
	for _, c := range w.connections {
		if c.second != nil {
			w.connections = append(w.connections, c.second)
		}
	}
	w.points = append(w.points, &p)
}

// send queues records. Those of the second capture come a step later, so that it never
// knows what the first one has not reported.
func (p *point) send(records ...analyzer.Flow) {
	if p.capture == SecondCapture {
		p.delayed = append(p.delayed, records...)
		return
	}
	p.queue = append(p.queue, records...)
}

// alsoPasses shows packets that passed to the second capture, which has the same UUID for
// a flow that it sees begin.
func (w *Writer) alsoPasses(c *connection, was analyzer.Metric, at int64) {
	second, m := c.second, c.flow.Metric
	if second.flow == nil {
		start := at
		if was.ABPackets == 0 {
			start = c.flow.Start - c.point.offset
		}
		if w.open(second, start); second.flow.Start == c.flow.Start {
			second.flow.UUID = c.flow.UUID
		}
	}
	seen := second.flow.Metric
	seen.ABBytes += m.ABBytes - was.ABBytes
	seen.ABPackets += m.ABPackets - was.ABPackets
	seen.BABytes += m.BABytes - was.BABytes
	seen.BAPackets += m.BAPackets - was.BAPackets
	seen.RTT, seen.Last = m.RTT, m.Last
	second.flow.Last = m.Last
}

// OtherCaptures returns what other captures report of the same flows, some of whose records
// get lost: one on the same node, at an access port, which sees a VLAN without its tag
// and nothing of others, and one on another node, which sees half of the connections
// from the other side.
func OtherCaptures(flows []analyzer.Flow, rng *rand.Rand) (seen []analyzer.Flow) {
	for _, f := range flows {
		if f.Transport == nil {
			continue
		}
		same, other := f, f
		same.UUID, same.CaptureID = "5"+f.UUID[1:], "same-node"
		other.UUID, other.CaptureID, other.NodeTID = "6"+f.UUID[1:], "other-node", "other-node"
		atPort := f.Link.ID == 0 || f.Link.ID == accessVLAN
		link := *f.Link
		link.ID, same.Link = 0, &link
		if f.Transport.A%2 == 1 {
			other.Network = &analyzer.Layer{Protocol: f.Network.Protocol, A: f.Network.B, B: f.Network.A}
			other.Transport = &analyzer.Transport{Protocol: f.Transport.Protocol, A: f.Transport.B, B: f.Transport.A}
			swap := func(m *analyzer.Metric) *analyzer.Metric {
				s := *m
				s.ABBytes, s.BABytes, s.ABPackets, s.BAPackets = m.BABytes, m.ABBytes, m.BAPackets, m.ABPackets
				return &s
			}
			if other.Metric = swap(f.Metric); f.LastUpdateMetric != nil {
				other.LastUpdateMetric = swap(f.LastUpdateMetric)
			}
		}
		for _, one := range []analyzer.Flow{same, other} {
			if rng.IntN(10) > 0 && (atPort || one.CaptureID != same.CaptureID) {
				seen = append(seen, one)
			}
		}
	}
	return seen
}
