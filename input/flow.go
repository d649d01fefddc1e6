// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package input is what the aggregator counts, and all that decides about it: what Skydive
// reports, as the feed's decoder hands it on (flow.go), what its topology says (topology.go),
// and beside that ticks, configuration and whatever else has its place in one order (entry.go),
// in a compact form (codec.go). The order is that of a log (log.go), which is a journal on a
// local disk (journal.go).
package input

import "bytes"

// Metric is Skydive's FlowMetric. A is the sender of the first packet that the capture
// saw, B its receiver. Bytes include the Ethernet header. Start and Last are milliseconds
// on the agent's clock, RTT is in nanoseconds and 0 when unknown.
type Metric struct {
	ABBytes, ABPackets int64
	BABytes, BAPackets int64
	Start, Last        int64
	RTT                int64
}

// Swapped returns m as it is with A and B exchanged.
func (m Metric) Swapped() Metric {
	m.ABBytes, m.BABytes = m.BABytes, m.ABBytes
	m.ABPackets, m.BAPackets = m.BAPackets, m.ABPackets
	return m
}

// Flow is one record of the feed, with the fields that counting needs. Byte slices belong to
// the caller and are valid during the call that they are passed to.
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
	// FinishType is 0 while the flow is live, 1 when it timed out; 2 (TCP_FIN) and
	// 3 (TCP_RST) do not end it.
	FinishType int64

	// Application is Skydive's word for what the flow carries, such as "TCP",
	// "DNS" or "VXLAN".
	Application []byte
	// ParentUUID is the flow of the tunnel that carries this one; empty: none. Outer: the
	// flow carries others, its LayersPath ends in an encapsulation.
	ParentUUID []byte
	Outer      bool
	// Opened says which end opened the connection.
	Opened Opened

	// Metric is cumulative over the flow's life; LastUpdate, where
	// HasLastUpdate, is what came since the previous update.
	Metric, LastUpdate Metric
	HasLastUpdate      bool
}

// Clone returns a copy that shares nothing with f.
func (f *Flow) Clone() Flow {
	c := *f
	for _, text := range [...]*[]byte{
		&c.UUID, &c.NodeTID, &c.CaptureID, &c.NetworkA, &c.NetworkB,
		&c.TransportProtocol, &c.Application, &c.ParentUUID,
	} {
		*text = bytes.Clone(*text)
	}
	return c
}

// Updated is the time up to which a record is complete, in milliseconds on the agent's
// clock: the end of its window, or at least its latest packet. 0: not known.
func (f *Flow) Updated() int64 {
	if f.HasLastUpdate && f.LastUpdate.Last > 0 {
		return f.LastUpdate.Last
	}
	return f.Metric.Last
}

// Opened is the end of a TCP connection that sent the first SYN, where the capture saw it.
type Opened uint8

// Which end opened a connection.
const (
	OpenedUnknown Opened = iota
	OpenedByA
	OpenedByB
)

// Swapped returns o as it is with A and B exchanged.
func (o Opened) Swapped() Opened {
	switch o {
	case OpenedByA:
		return OpenedByB
	case OpenedByB:
		return OpenedByA
	default:
		return OpenedUnknown
	}
}

// CaptureStats is one message of the stats namespace: what a capture reports of itself
// every 10 s. FlowCount is of that moment, FlowDropped and KernelFlowDropped are of the
// 10 s. The packets are sums of readings of a cumulative number, and of no use.
type CaptureStats struct {
	CaptureID []byte

	FlowCount         int64
	FlowDropped       int64
	KernelFlowDropped int64
	PacketsDropped    int64
	PacketsReceived   int64
}
