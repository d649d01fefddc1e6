// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/skydive-project/skybridge/input"
)

// The fields of a flow that can be unusable.
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

func readFlowFields(b []byte, i int, f *input.Flow) (int, faults) {
	var bad faults
	hasMetric := false
	var syn synTimes
	var l layer
	var odd faults
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
			_, i = readLayer(b, i, depthFlow, &l, false)
			f.VLAN = l.id
		case flowNetwork:
			odd, i = readLayer(b, i, depthFlow, &l, false)
			f.NetworkA, f.NetworkB, f.VNI = l.a, l.b, l.id
			bad = bad.with(faultNetwork, odd&(1<<layerA|1<<layerB) == 0)
		case flowTransport:
			odd, i = readLayer(b, i, depthFlow, &l, true)
			f.HasTransport, f.TransportProtocol, f.TransportA, f.TransportB = l.present, l.protocol, l.portA, l.portB
			bad = bad.with(faultTransport, odd&(1<<layerProtocol|1<<layerA|1<<layerB) == 0)
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
			syn, i = readSynTimes(b, i, depthFlow)
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

var metricKeys = keysOf("ABPackets", "ABBytes", "BAPackets", "BABytes", "Start", "Last", "RTT")

// readMetric reads a FlowMetric.
func readMetric(b []byte, i int, c *input.Metric) (present bool, pos int, ok bool) {
	var v [7]int64 // as in metricKeys
	present, odd, pos := readNumbers(b, i, depthFlow, metricKeys, v[:])
	*c = input.Metric{ABPackets: v[0], ABBytes: v[1], BAPackets: v[2], BABytes: v[3], Start: v[4], Last: v[5], RTT: v[6]}
	return present, pos, odd == 0
}
