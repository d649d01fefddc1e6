// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// The two directions of a connection, as values of the label direction.
const (
	DirectionInitiatorToTarget = "initiator_to_target"
	DirectionTargetToInitiator = "target_to_initiator"
)

// Separator follows each label value in [Row.Values]. It never occurs in valid
// UTF-8, so it cannot occur in a value.
const Separator = 0xFF

// Layout says which labels connections have. It is immutable and shared.
type Layout struct {
	// Names are the label names, sorted, direction included where chosen.
	Names []string
	// Direction is the index of the label direction in Names, or -1.
	Direction int
	// policy tells layouts apart whose values are made in different ways.
	policy string
}

// Row is one connection as it was last sampled.
type Row struct {
	Layout *Layout
	// Values are the label values in the order of Layout.Names without
	// direction, each followed by [Separator]. An empty value means that the
	// connection lacks the label.
	Values string
	// Bytes and Packets are indexed by direction: 0 is initiator to target, 1
	// the other. Without a direction label 0 holds the sum and 1 is unused.
	Bytes, Packets [2]uint64
	// Gauges are of both directions.
	Gauges Gauges
}

// CaptureMetrics is how many metrics a capture has.
const CaptureMetrics = 6

// CaptureRow is one capture's statistics as last sampled.
type CaptureRow struct {
	CaptureID                                                                  string
	FlowCount, FlowDropped, KernelFlowDropped, PacketsDropped, PacketsReceived uint64
	FlowsKnown                                                                 uint64 // 0: says nothing
	HasPackets                                                                 bool   // the topology has its packets, and they are current
}

// Value returns a capture's number for one of [CaptureFamilies]; false where it has
// none.
func (r *CaptureRow) Value(family int) (value uint64, ok bool) {
	value = [...]uint64{r.FlowCount, r.FlowDropped, r.KernelFlowDropped, r.PacketsDropped, r.PacketsReceived, r.FlowsKnown}[family]
	switch family {
	case PacketsDropped, PacketsReceived:
		return value, r.HasPackets
	case FlowsKnown:
		return value, value > 0
	}
	return value, true
}

// Indices into [CaptureFamilies] of what not every capture has.
const (
	PacketsDropped  = 3
	PacketsReceived = 4
	FlowsKnown      = 5
)

// CaptureFamilies returns the metrics of captures, in the order of the fields
// of [CaptureRow].
func CaptureFamilies() [CaptureMetrics]Family {
	return [CaptureMetrics]Family{
		{Name: "skydive_capture_flows",
			Help: "Flows in the capture's tables, as each reported last."},
		{Name: "skydive_capture_flows_dropped_total", Counter: true,
			Help: "Flows that the capture dropped because a table was full: those without packets for longest."},
		{Name: "skydive_capture_kernel_flows_dropped_total", Counter: true,
			Help: "Flows for which the capture's table in the kernel had no room."},
		{Name: "skydive_capture_packets_dropped_total", Counter: true,
			Help: "Packets that the capture lost, according to Skydive's topology; absent where that is off or does not update them."},
		{Name: "skydive_capture_packets_received_total", Counter: true,
			Help: "Packets that the capture received, according to Skydive's topology; absent where that is off or does not update them."},
		{Name: "skydive_capture_flows_known",
			Help: "Flows of the capture that the bridge has records of, compared with skydive_capture_flows. Absent until the feed has been whole for flow_retention."},
	}
}
