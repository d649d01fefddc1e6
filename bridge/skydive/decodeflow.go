// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/skydive-project/skybridge/aggregator"
)

// faults is the set of fields of a flow whose last value is unusable. A set
// and not the first error, for a field that repeats can become right again.
type faults uint32

const (
	faultUUID faults = 1 << iota
	faultNodeTID
	faultCaptureID
	faultNetwork
	faultTransport
	faultStart
	faultFinishType
	faultMetric
	faultLastUpdate
	// The rest is found out at the flow's end.
	faultNoUUID
	faultNoMetric
	faultNegative
)

// faultTexts are in the order of the bits.
var faultTexts = [...]string{
	"UUID is not a string",
	"NodeTID is not a string",
	"CaptureID is not a string",
	"Network is not an object with addresses as strings",
	"Transport is not an object with ports as whole numbers",
	"Start is not a whole number",
	"FinishType is not a whole number",
	"Metric is not an object of whole numbers",
	"LastUpdateMetric is not an object of whole numbers",
	"UUID is missing",
	"Metric is missing",
	"Metric has a negative counter",
}

func (f faults) with(bit faults, ok bool) faults {
	if ok {
		return f &^ bit
	}
	return f | bit
}

var errNoFlow = errors.New("skydive: an element of Obj is not an object")

// flows reads the array of flows at i, or whatever stands there instead.
func (d *Decoder) flows(b []byte, i int, m *Message) int {
	if i >= len(b) || b[i] != '[' {
		return d.nesting.skip(b, i, 1)
	}
	i, more := open(b, i, ']')
	for more {
		if object := i < len(b) && b[i] == '{'; object && len(m.Flows) < maxFlows {
			i = d.flow(b, i, m)
		} else if object {
			if i = d.nesting.skip(b, i, 2); i >= 0 {
				m.malformed(errManyFlows)
			}
		} else if i = d.nesting.skip(b, i, 2); i >= 0 {
			m.malformed(errNoFlow)
		}
		i, more = next(b, i, ']')
	}
	return i
}

func (m *Message) malformed(err error) {
	m.Malformed++
	if m.FirstError == nil {
		m.FirstError = err
	}
}

// flow reads the flow at i and adds it to the message if it is sound.
func (d *Decoder) flow(b []byte, i int, m *Message) int {
	f := m.next()
	i, bad := d.flowFields(b, i, f)
	if i < 0 {
		m.drop()
		return i
	}
	if bad != 0 {
		if m.Malformed++; m.FirstError == nil {
			m.FirstError = fmt.Errorf("skydive: flow %.64q: %s", f.UUID, faultTexts[bits.TrailingZeros32(uint32(bad))])
		}
		m.drop()
	}
	return i
}

// depthFlow is the nesting of a flow's fields: envelope, Obj, flow.
const depthFlow = 3

func (d *Decoder) flowFields(b []byte, i int, f *aggregator.Flow) (int, faults) {
	var bad faults
	hasMetric := false
	var syn synTimes
	i, more := open(b, i, '}')
	for more {
		var key []byte
		if key, i = d.key(b, i); i < 0 {
			return i, bad
		}
		var ok bool
		switch string(key) {
		case "UUID":
			f.UUID, i, ok = d.text(b, i, depthFlow)
			bad = bad.with(faultUUID, ok)
		case "NodeTID":
			f.NodeTID, i, ok = d.text(b, i, depthFlow)
			bad = bad.with(faultNodeTID, ok)
		case "CaptureID":
			f.CaptureID, i, ok = d.text(b, i, depthFlow)
			bad = bad.with(faultCaptureID, ok)
		case "Network":
			i, ok = d.network(b, i, f)
			bad = bad.with(faultNetwork, ok)
		case "Transport":
			i, ok = d.transport(b, i, f)
			bad = bad.with(faultTransport, ok)
		case "Start":
			f.Start, i, ok = d.number(b, i, depthFlow)
			bad = bad.with(faultStart, ok)
		case "FinishType":
			f.FinishType, i, ok = d.number(b, i, depthFlow)
			bad = bad.with(faultFinishType, ok)
		case "Metric":
			hasMetric, i, ok = d.metric(b, i, &f.Metric)
			bad = bad.with(faultMetric, ok)
		case "LastUpdateMetric":
			f.HasLastUpdate, i, ok = d.metric(b, i, &f.LastUpdate)
			bad = bad.with(faultLastUpdate, ok)
		// What follows only says what bytes are called, not how many there are: of
		// another type it is as absent.
		case "Application":
			f.Application, i, _ = d.text(b, i, depthFlow)
		case "ParentUUID":
			f.ParentUUID, i, _ = d.text(b, i, depthFlow)
		case "LayersPath":
			var path []byte
			path, i, _ = d.text(b, i, depthFlow)
			f.Outer = encapsulates(path)
		case "TCPMetric":
			syn, i = d.synTimes(b, i)
		default:
			i = d.nesting.skip(b, i, depthFlow)
		}
		i, more = next(b, i, '}')
	}
	f.Opened = syn.opened(f.Start)
	if bad == 0 {
		c := &f.Metric
		bad = bad.with(faultNoUUID, len(f.UUID) > 0).
			with(faultNoMetric, hasMetric).
			with(faultNegative, c.ABBytes|c.ABPackets|c.BABytes|c.BAPackets >= 0)
	}
	return i, bad
}

// network reads the network layer: addresses as text.
func (d *Decoder) network(b []byte, i int, f *aggregator.Flow) (pos int, ok bool) {
	f.NetworkA, f.NetworkB = nil, nil
	if i >= len(b) || b[i] != '{' {
		ok = i < len(b) && b[i] == 'n'
		return d.nesting.skip(b, i, depthFlow), ok
	}
	okA, okB := true, true
	i, more := open(b, i, '}')
	for more {
		var key []byte
		if key, i = d.key(b, i); i < 0 {
			return i, false
		}
		switch string(key) {
		case "A":
			f.NetworkA, i, okA = d.text(b, i, depthFlow+1)
		case "B":
			f.NetworkB, i, okB = d.text(b, i, depthFlow+1)
		default:
			i = d.nesting.skip(b, i, depthFlow+1)
		}
		i, more = next(b, i, '}')
	}
	return i, okA && okB
}

// transport reads the transport layer: its protocol's word and ports.
func (d *Decoder) transport(b []byte, i int, f *aggregator.Flow) (pos int, ok bool) {
	f.HasTransport, f.TransportProtocol, f.TransportA, f.TransportB = false, nil, 0, 0
	if i >= len(b) || b[i] != '{' {
		ok = i < len(b) && b[i] == 'n'
		return d.nesting.skip(b, i, depthFlow), ok
	}
	f.HasTransport = true
	okProtocol, okA, okB := true, true, true
	i, more := open(b, i, '}')
	for more {
		var key []byte
		if key, i = d.key(b, i); i < 0 {
			return i, false
		}
		switch string(key) {
		case "Protocol":
			f.TransportProtocol, i, okProtocol = d.text(b, i, depthFlow+1)
		case "A":
			f.TransportA, i, okA = d.number(b, i, depthFlow+1)
		case "B":
			f.TransportB, i, okB = d.number(b, i, depthFlow+1)
		default:
			i = d.nesting.skip(b, i, depthFlow+1)
		}
		i, more = next(b, i, '}')
	}
	return i, okProtocol && okA && okB
}

// metric reads a FlowMetric.
func (d *Decoder) metric(b []byte, i int, c *aggregator.Metric) (present bool, pos int, ok bool) {
	*c = aggregator.Metric{}
	if i >= len(b) || b[i] != '{' {
		ok = i < len(b) && b[i] == 'n'
		return false, d.nesting.skip(b, i, depthFlow), ok
	}
	var bad faults // one bit a field, as in a flow
	i, more := open(b, i, '}')
	for more {
		var key []byte
		if key, i = d.key(b, i); i < 0 {
			return true, i, false
		}
		var field *int64
		var bit faults
		switch string(key) {
		case "ABPackets":
			field, bit = &c.ABPackets, 1<<0
		case "ABBytes":
			field, bit = &c.ABBytes, 1<<1
		case "BAPackets":
			field, bit = &c.BAPackets, 1<<2
		case "BABytes":
			field, bit = &c.BABytes, 1<<3
		case "Start":
			field, bit = &c.Start, 1<<4
		case "Last":
			field, bit = &c.Last, 1<<5
		case "RTT":
			field, bit = &c.RTT, 1<<6
		}
		if field == nil {
			i = d.nesting.skip(b, i, depthFlow+1)
		} else {
			var good bool
			*field, i, good = d.number(b, i, depthFlow+1)
			bad = bad.with(bit, good)
		}
		i, more = next(b, i, '}')
	}
	return true, i, bad == 0
}
