// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "bytes"

// Metric is Skydive's FlowMetric: what a flow carried in either direction. A
// is the sender of the first packet that the capture saw, B its receiver.
// Bytes include the Ethernet header. Start and Last are milliseconds on the
// agent's clock, RTT is in nanoseconds and 0 when unknown.
type Metric struct {
	ABBytes, ABPackets int64
	BABytes, BAPackets int64
	Start, Last        int64
	RTT                int64
}

// swapped returns m as it is with A and B exchanged.
func (m Metric) swapped() Metric {
	m.ABBytes, m.BABytes = m.BABytes, m.ABBytes
	m.ABPackets, m.BAPackets = m.BAPackets, m.ABPackets
	return m
}

// Flow is one record of the feed: the state of one Skydive flow, of which only
// what counting needs is kept. Byte slices belong to the caller and are valid
// during the call that they are passed to; nothing here retains them.
type Flow struct {
	UUID, NodeTID, CaptureID []byte

	// NetworkA and NetworkB are addresses as text, empty without that layer.
	NetworkA, NetworkB []byte

	// VLAN and VNI are the ids of the link and network layers, 0: none.
	VLAN, VNI int64

	// HasTransport is false for flows that are no connections (ICMP, ARP, …).
	HasTransport           bool
	TransportProtocol      []byte
	TransportA, TransportB int64 // ports

	// Start is the time of the first packet in milliseconds on the agent's clock.
	Start int64
	// FinishType is 0 while the flow lives, 1 when it timed out; 2 (TCP_FIN) and
	// 3 (TCP_RST) do not mean that the flow is over.
	FinishType int64

	// Application is Skydive's word for what the flow carries, such as "TCP",
	// "DNS" or "VXLAN".
	Application []byte
	// ParentUUID names the flow that carries this one through a tunnel, empty:
	// none. Outer: the flow carries others (tunnel): LayersPath ends in an
	// encapsulation.
	ParentUUID []byte
	Outer      bool
	// Opened says which end opened the connection.
	Opened Opened

	// Metric is cumulative over the flow's life; LastUpdate, where
	// HasLastUpdate, is what came since the previous update.
	Metric, LastUpdate Metric
	HasLastUpdate      bool
}

// clone returns a copy that shares nothing with f.
func (f *Flow) clone() Flow {
	c := *f
	for _, text := range [...]*[]byte{
		&c.UUID, &c.NodeTID, &c.CaptureID, &c.NetworkA, &c.NetworkB,
		&c.TransportProtocol, &c.Application, &c.ParentUUID,
	} {
		*text = bytes.Clone(*text)
	}
	return c
}

// updated is until when a record has everything, in milliseconds on the agent's clock:
// where it does not tell its window, until its latest packet at least. 0: not known.
func (f *Flow) updated() int64 {
	if f.HasLastUpdate && f.LastUpdate.Last > 0 {
		return f.LastUpdate.Last
	}
	return f.Metric.Last
}

// Opened says which end of a TCP connection sent the first SYN, where the capture
// saw the SYN of either end.
type Opened uint8

// Who opened a connection.
const (
	OpenedUnknown Opened = iota
	OpenedByA
	OpenedByB
)

// swapped returns who opened a connection as it is with A and B exchanged.
func (o Opened) swapped() Opened {
	switch o {
	case OpenedByA:
		return OpenedByB
	case OpenedByB:
		return OpenedByA
	default:
		return OpenedUnknown
	}
}

// CaptureStats is one message of the stats namespace: what a capture reports
// of itself every 10 s. FlowCount is of that moment, FlowDropped and
// KernelFlowDropped are of the 10 s. The packets are sums of readings of a cumulative
// number, which say nothing.
type CaptureStats struct {
	CaptureID []byte

	FlowCount         int64
	FlowDropped       int64
	KernelFlowDropped int64
	PacketsDropped    int64
	PacketsReceived   int64
}
