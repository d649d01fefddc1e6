// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package script

import "github.com/skydive-project/skybridge/internal/analyzer"

// addCapture makes the second capture of the first point's node.
func (w *writer) addCapture() {
	p := *w.points[0]
	p.capture, p.update, p.expire, p.isSet, p.isCut = SecondCapture, 3, 12, false, false
	for _, c := range w.connections {
		if c.point == w.points[0] && !c.portless {
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
// knows what the first one has not told.
func (p *point) send(records ...analyzer.Flow) {
	if p.capture == SecondCapture {
		p.delayed = append(p.delayed, records...)
		return
	}
	p.queue = append(p.queue, records...)
}

// alsoPasses shows packets that passed to the second capture, which has the same UUID for
// a flow that it sees begin.
func (w *writer) alsoPasses(c *connection, was analyzer.Metric, at int64) {
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
