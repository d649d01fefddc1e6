// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

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

// readFlows reads the array of flows at i, or whatever stands there instead.
func readFlows(b []byte, i int, m *Message) int {
	if i >= len(b) || b[i] != '[' {
		return skip(b, i, 1)
	}
	i, more := open(b, i, ']')
	for more {
		if object := i < len(b) && b[i] == '{'; object && len(m.Flows) < maxFlows {
			i = readFlow(b, i, m)
		} else if object {
			if i = skip(b, i, 2); i >= 0 {
				m.malformed(errManyFlows)
			}
		} else if i = skip(b, i, 2); i >= 0 {
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

// readFlow reads the flow at i and adds it to the message if it is sound.
func readFlow(b []byte, i int, m *Message) int {
	f := m.next()
	i, bad := readFlowFields(b, i, f)
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

// The fields of a flow, as in flowKeys.
const (
	flowUUID = iota
	flowLayersPath
	flowApplication
	flowLink
	flowNetwork
	flowTransport
	flowICMP
	flowLastUpdateMetric
	flowMetric
	flowTCPMetric
	flowStart
	flowLast
	flowTrackingID
	flowL3TrackingID
	flowParentUUID
	flowNodeTID
	flowCaptureID
	flowRawPacketsCaptured
	flowFinishType
)

var flowKeys = keysOf(
	"UUID", "LayersPath", "Application", "Link", "Network", "Transport", "ICMP", "LastUpdateMetric", "Metric", "TCPMetric",
	"Start", "Last", "TrackingID", "L3TrackingID", "ParentUUID", "NodeTID", "CaptureID", "RawPacketsCaptured", "FinishType",
)

// depthFlow is the nesting of a flow's fields: envelope, Obj, flow.
const depthFlow = 3

func readFlowFields(b []byte, i int, f *aggregator.Flow) (int, faults) {
	var bad faults
	hasMetric := false
	var syn synTimes
	i, more := open(b, i, '}')
	for field := unknown; more; {
		if field, i = readField(b, i, flowKeys, field); i < 0 {
			return i, bad
		}
		var ok bool
		switch field {
		case flowUUID:
			f.UUID, i, ok = readText(b, i, depthFlow)
			bad = bad.with(faultUUID, ok)
		case flowNodeTID:
			f.NodeTID, i, ok = readText(b, i, depthFlow)
			bad = bad.with(faultNodeTID, ok)
		case flowCaptureID:
			f.CaptureID, i, ok = readText(b, i, depthFlow)
			bad = bad.with(faultCaptureID, ok)
		case flowLink:
			f.VLAN, i = readLayerID(b, i)
		case flowNetwork:
			i, ok = readNetwork(b, i, f)
			bad = bad.with(faultNetwork, ok)
		case flowTransport:
			i, ok = readTransport(b, i, f)
			bad = bad.with(faultTransport, ok)
		case flowStart:
			f.Start, i, ok = readNumber(b, i, depthFlow)
			bad = bad.with(faultStart, ok)
		case flowFinishType:
			f.FinishType, i, ok = readNumber(b, i, depthFlow)
			bad = bad.with(faultFinishType, ok)
		case flowMetric:
			hasMetric, i, ok = readMetric(b, i, &f.Metric)
			bad = bad.with(faultMetric, ok)
		case flowLastUpdateMetric:
			f.HasLastUpdate, i, ok = readMetric(b, i, &f.LastUpdate)
			bad = bad.with(faultLastUpdate, ok)
		// What follows only names bytes, it does not count them: of
		// another type it is as absent.
		case flowApplication:
			f.Application, i, _ = readText(b, i, depthFlow)
		case flowParentUUID:
			f.ParentUUID, i, _ = readText(b, i, depthFlow)
		case flowLayersPath:
			var path []byte
			path, i, _ = readText(b, i, depthFlow)
			f.Outer = encapsulates(path)
		case flowTCPMetric:
			syn, i = readSynTimes(b, i)
		default:
			i = skip(b, i, depthFlow)
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

// The fields of a layer, as in layerKeys.
const (
	layerProtocol = iota
	layerA
	layerB
	layerID
)

var layerKeys = keysOf("Protocol", "A", "B", "ID")

// readNetwork reads the network layer: addresses as text.
func readNetwork(b []byte, i int, f *aggregator.Flow) (pos int, ok bool) {
	f.NetworkA, f.NetworkB, f.VNI = nil, nil, 0
	if i >= len(b) || b[i] != '{' {
		ok = i < len(b) && b[i] == 'n'
		return skip(b, i, depthFlow), ok
	}
	okA, okB := true, true
	i, more := open(b, i, '}')
	for field := unknown; more; {
		if field, i = readField(b, i, layerKeys, field); i < 0 {
			return i, false
		}
		switch field {
		case layerA:
			f.NetworkA, i, okA = readText(b, i, depthFlow+1)
		case layerB:
			f.NetworkB, i, okB = readText(b, i, depthFlow+1)
		case layerID:
			f.VNI, i = readID(b, i)
		default:
			i = skip(b, i, depthFlow+1)
		}
		i, more = next(b, i, '}')
	}
	return i, okA && okB
}

// readTransport reads the transport layer: its protocol and ports.
func readTransport(b []byte, i int, f *aggregator.Flow) (pos int, ok bool) {
	f.HasTransport, f.TransportProtocol, f.TransportA, f.TransportB = false, nil, 0, 0
	if i >= len(b) || b[i] != '{' {
		ok = i < len(b) && b[i] == 'n'
		return skip(b, i, depthFlow), ok
	}
	f.HasTransport = true
	okProtocol, okA, okB := true, true, true
	i, more := open(b, i, '}')
	for field := unknown; more; {
		if field, i = readField(b, i, layerKeys, field); i < 0 {
			return i, false
		}
		switch field {
		case layerProtocol:
			f.TransportProtocol, i, okProtocol = readText(b, i, depthFlow+1)
		case layerA:
			f.TransportA, i, okA = readNumber(b, i, depthFlow+1)
		case layerB:
			f.TransportB, i, okB = readNumber(b, i, depthFlow+1)
		default:
			i = skip(b, i, depthFlow+1)
		}
		i, more = next(b, i, '}')
	}
	return i, okProtocol && okA && okB
}

// The fields of a FlowMetric, as in metricKeys.
const (
	metricABPackets = iota
	metricABBytes
	metricBAPackets
	metricBABytes
	metricStart
	metricLast
	metricRTT
)

var metricKeys = keysOf("ABPackets", "ABBytes", "BAPackets", "BABytes", "Start", "Last", "RTT")

// readMetric reads a FlowMetric.
func readMetric(b []byte, i int, c *aggregator.Metric) (present bool, pos int, ok bool) {
	*c = aggregator.Metric{}
	if i >= len(b) || b[i] != '{' {
		ok = i < len(b) && b[i] == 'n'
		return false, skip(b, i, depthFlow), ok
	}
	var bad faults // one bit a field, as in a flow
	i, more := open(b, i, '}')
	for field := unknown; more; {
		if field, i = readField(b, i, metricKeys, field); i < 0 {
			return true, i, false
		}
		var to *int64
		switch field {
		case metricABPackets:
			to = &c.ABPackets
		case metricABBytes:
			to = &c.ABBytes
		case metricBAPackets:
			to = &c.BAPackets
		case metricBABytes:
			to = &c.BABytes
		case metricStart:
			to = &c.Start
		case metricLast:
			to = &c.Last
		case metricRTT:
			to = &c.RTT
		}
		if to == nil {
			i = skip(b, i, depthFlow+1)
		} else {
			var good bool
			*to, i, good = readNumber(b, i, depthFlow+1)
			bad = bad.with(1<<field, good)
		}
		i, more = next(b, i, '}')
	}
	return true, i, bad == 0
}

// readLayerID reads the ID of the link layer at i: the VLAN.
func readLayerID(b []byte, i int) (id int64, pos int) {
	if i >= len(b) || b[i] != '{' {
		return 0, skip(b, i, depthFlow)
	}
	i, more := open(b, i, '}')
	for field := unknown; more; {
		if field, i = readField(b, i, layerKeys, field); i < 0 {
			return 0, i
		}
		if field == layerID {
			id, i = readID(b, i)
		} else {
			i = skip(b, i, depthFlow+1)
		}
		i, more = next(b, i, '}')
	}
	return id, i
}

// readID reads the ID of a layer; what is no number is as absent.
func readID(b []byte, i int) (id int64, pos int) {
	id, i, ok := readNumber(b, i, depthFlow+1)
	if !ok || id < 0 {
		id = 0
	}
	return id, i
}
