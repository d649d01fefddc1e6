// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"encoding/binary"
	"math"
)

// flowCoder is a coder of batches of flows. A flow is its choices and what they say that
// follows, in the order of [flowCoder.flow]: a field that is zero, or as another one says,
// takes a choice alone.
type flowCoder struct {
	textCoder
	columns
}

// columns is what the fields of a flow are compared with: the flow before it in the batch.
type columns struct {
	node, capture, networkA, networkB, protocol, application []byte
	start, windowStart, windowEnd                            int64
}

// flows walks a batch.
func (c *flowCoder) flows(e *Entry) {
	count := int64(len(e.Flows))
	c.uvarint(&count)
	if !c.encoding && (count < 0 || count > int64(len(c.in.Rest)/choicesBytes)) {
		c.in.Bad = true
		return
	}
	c.columns = columns{start: e.Time, windowStart: e.Time, windowEnd: e.Time}
	for i := range int(count) {
		if !c.encoding {
			if c.in.Bad {
				break
			}
			if i < cap(e.Flows) {
				e.Flows = e.Flows[:i+1]
				e.Flows[i] = Flow{}
			} else {
				e.Flows = append(e.Flows, Flow{})
			}
		}
		c.flow(&e.Flows[i])
	}
	c.forget()
	c.columns = columns{}
}

// flow walks a flow.
func (c *flowCoder) flow(f *Flow) {
	at := c.begin()
	c.id(&f.UUID)
	c.id(&f.ParentUUID)
	c.word(&f.NodeTID, &c.node)
	c.word(&f.CaptureID, &c.capture)
	c.word(&f.TransportProtocol, &c.protocol)
	c.word(&f.Application, &c.application)
	c.address(&f.NetworkA, &c.networkA)
	c.address(&f.NetworkB, &c.networkB)
	c.ports(f)
	c.flag(&f.HasTransport)
	c.flag(&f.Outer)
	c.flag(&f.HasLastUpdate)
	opened := int64(f.Opened)
	c.number(&opened)
	if !c.encoding {
		f.Opened = Opened(opened)
		c.in.Bad = c.in.Bad || uint64(opened) > math.MaxUint8
	}
	c.number(&f.FinishType)
	c.number(&f.VLAN)
	c.number(&f.VNI)

	m, u := &f.Metric, &f.LastUpdate
	c.near(&f.Start, c.start, c.start)
	c.counts(m)
	c.near(&m.Start, f.Start, f.Start)
	c.near(&m.Last, m.Start, c.windowEnd)
	c.number(&m.RTT)
	// The first update of a flow has the same counts twice.
	same := u.ABBytes == m.ABBytes && u.ABPackets == m.ABPackets && u.BABytes == m.BABytes && u.BAPackets == m.BAPackets
	switch c.flag(&same); {
	case !same:
		c.counts(u)
	case !c.encoding:
		u.ABBytes, u.ABPackets, u.BABytes, u.BAPackets = m.ABBytes, m.ABPackets, m.BABytes, m.BAPackets
	}
	c.near(&u.Start, m.Start, c.windowStart)
	c.near(&u.Last, c.windowEnd, c.windowEnd)
	c.near(&u.RTT, m.RTT, m.RTT)
	c.end(at)
	c.start, c.windowStart, c.windowEnd = f.Start, u.Start, u.Last
}

func (c *flowCoder) counts(m *Metric) {
	c.number(&m.ABBytes)
	c.number(&m.ABPackets)
	c.number(&m.BABytes)
	c.number(&m.BAPackets)
}

// ports: both 0, two of 16 bits, or two numbers.
func (c *flowCoder) ports(f *Flow) {
	const none, short, long = 0, 1, 2
	a, b := &f.TransportA, &f.TransportB
	if c.encoding {
		switch {
		case *a == 0 && *b == 0:
			c.choose(2, none)
		case uint64(*a) <= math.MaxUint16 && uint64(*b) <= math.MaxUint16:
			c.choose(2, short)
			c.out = binary.LittleEndian.AppendUint16(c.out, uint16(*a))
			c.out = binary.LittleEndian.AppendUint16(c.out, uint16(*b))
		default:
			c.choose(2, long)
			c.out = binary.AppendUvarint(c.out, uint64(*a))
			c.out = binary.AppendUvarint(c.out, uint64(*b))
		}
		return
	}
	switch c.choose(2, 0) {
	case none:
	case short:
		v := c.in.Uint32()
		*a, *b = int64(v&math.MaxUint16), int64(v>>16)
	case long:
		*a, *b = int64(c.in.Uvarint()), int64(c.in.Uvarint())
	default:
		c.in.Bad = true
	}
}
