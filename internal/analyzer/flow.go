// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

// Flow is a Skydive flow as its analyzer writes it in JSON: names, order and
// omissions are those of the recordings of a real one. Fields that neither
// skybridge nor a reader of a test needs (DHCP, DNS, TCPMetric, …) are left out.
type Flow struct {
	UUID        string
	LayersPath  string
	Application string

	Link      *Layer     `json:",omitempty"`
	Network   *Layer     `json:",omitempty"` // absent for ARP
	Transport *Transport `json:",omitempty"` // absent for ICMP, ND and ARP
	ICMP      *ICMP      `json:",omitempty"`

	LastUpdateMetric *Metric `json:",omitempty"`
	Metric           *Metric `json:",omitempty"`

	Start, Last int64 // ms on the agent's clock

	TrackingID   string
	L3TrackingID string
	ParentUUID   string
	NodeTID      string
	CaptureID    string

	RawPacketsCaptured int64
	FinishType         int64 `json:",omitempty"` // 1 TIMEOUT, 2 TCP_FIN, 3 TCP_RST
}

// Layer is a link or network layer: A sent the first packet that was seen.
type Layer struct {
	Protocol string // "ETHERNET", "IPV4", "IPV6"
	A        string `json:",omitempty"`
	B        string `json:",omitempty"`
	ID       int64
}

// Transport is the transport layer; A and B are ports.
type Transport struct {
	Protocol string // "TCP", "UDP", "SCTP"
	A, B     int64
	ID       int64
}

// ICMP is the ICMP layer.
type ICMP struct {
	Type string // "ECHO", "NEIGHBOR", …
	Code uint32 `json:",omitempty"`
	ID   uint32 `json:",omitempty"`
}

// Metric is what a flow carried: Start and Last in ms, RTT in ns.
type Metric struct {
	ABPackets, ABBytes int64
	BAPackets, BABytes int64
	Start, Last        int64
	RTT                int64 `json:",omitempty"`
}

// Stats is what each flow table of a capture says every 10 s: FlowCount is of that
// moment, the drops are of the interval, and the packets are a sum of some ten readings
// of what is cumulative since the capture began. The topology has that number itself.
type Stats struct {
	CaptureID         string
	FlowCount         int64
	FlowDropped       int64
	KernelFlowDropped int64
	PacketsDropped    int64
	PacketsReceived   int64
}
