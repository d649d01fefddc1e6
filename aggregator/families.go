// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "github.com/skydive-project/skybridge/input"

// Family is what the series of one metric name share.
type Family struct {
	Name, Help, Unit string
	Counter          bool // false: gauge
	// Foreign: a counter of another process, which counted before the bridge watched it, so its
	// series begin without a zero.
	Foreign bool
}

// Gauges are the latest values that Skydive reported of a connection, in the order of
// gaugeTable. 0 means none yet, and no series.
type Gauges [gaugeCount]uint64

// Indices into [Gauges].
const (
	RTT = iota
	gaugeCount
)

// gaugeFamily is a gauge of connections. It has one series for each connection, with the
// direction initiator to target.
type gaugeFamily struct {
	Family
	// of reads its value from a record; 0: the record has none.
	of func(f *input.Flow) uint64
	// dropped counts values without a series because of a bound: name and help.
	dropped, droppedHelp string
}

// gaugeTable has a row for each gauge. The state keeps their values in this order: a row
// more is another stateVersion.
func gaugeTable() [gaugeCount]gaugeFamily {
	return [...]gaugeFamily{
		RTT: {
			Family: Family{Name: "skydive_network_connection_rtt_nanoseconds", Unit: "nanoseconds",
				Help: "Latest round-trip time of the connection."},
			of:          func(f *input.Flow) uint64 { return uint64(max(f.Metric.RTT, 0)) },
			dropped:     "skybridge_overflow_rtts_total",
			droppedHelp: "Round-trip times not exported because max_series or max_series_per_node was reached.",
		},
	}
}

// series is how many series the gauges have.
func (g *Gauges) series() int {
	n := 0
	for _, value := range g {
		if value != 0 {
			n++
		}
	}
	return n
}

// ConnectionFamilies returns the metrics of connections; see [Row.Value].
func ConnectionFamilies() []Family {
	families := []Family{
		{Name: "skydive_network_connection_total_bytes", Unit: "bytes", Counter: true,
			Help: "Bytes that the connection carried in this direction, Ethernet headers included."},
		{Name: "skydive_network_connection_total_packets", Unit: "packets", Counter: true,
			Help: "Packets that the connection carried in this direction."},
	}
	for _, g := range gaugeTable() {
		families = append(families, g.Family)
	}
	return families
}

// Value returns a row's numbers in one of [ConnectionFamilies], and how many series
// they are: 2 are initiator to target and target to initiator, 1 is the first of them
// or, in a layout without direction, the sum; 0: there is none.
func (r *Row) Value(family int) (values [2]uint64, series int) {
	switch family {
	case 0:
		return r.Bytes, r.Layout.Directions()
	case 1:
		return r.Packets, r.Layout.Directions()
	}
	if value := r.Gauges[family-2]; value != 0 {
		return [2]uint64{value}, 1
	}
	return values, 0
}

// captureFamily is a metric of captures.
type captureFamily struct {
	Family
	// of reads its value; not ok: this capture has none.
	of func(r *CaptureRow) (value uint64, ok bool)
}

// captureTable has a row for each metric of captures. It is not made by a function, as
// gaugeTable is, for it is asked for each value.
var captureTable = [...]captureFamily{
	{Family{Name: "skydive_capture_flows", Help: "Flows in the capture's tables, by their latest reports."},
		func(r *CaptureRow) (uint64, bool) { return r.FlowCount, true }},
	{Family{Name: "skydive_capture_flows_dropped_total", Counter: true,
		Help: "Flows that the capture evicted because a table was full, those with the oldest packets first."},
		func(r *CaptureRow) (uint64, bool) { return r.FlowDropped, true }},
	{Family{Name: "skydive_capture_kernel_flows_dropped_total", Counter: true,
		Help: "Flows that the capture dropped because its kernel table was full."},
		func(r *CaptureRow) (uint64, bool) { return r.KernelFlowDropped, true }},
	{Family{Name: "skydive_capture_packets_dropped_total", Counter: true, Foreign: true,
		Help: "Packets that the capture lost, from Skydive's topology. Absent if topology is off or does not update them."},
		func(r *CaptureRow) (uint64, bool) { return r.PacketsDropped, r.HasPackets }},
	{Family{Name: "skydive_capture_packets_received_total", Counter: true, Foreign: true,
		Help: "Packets that the capture received, from Skydive's topology. Absent if topology is off or does not update them."},
		func(r *CaptureRow) (uint64, bool) { return r.PacketsReceived, r.HasPackets }},
	{Family{Name: "skydive_capture_flows_known",
		Help: "Flows of the capture that the bridge has records of. Compare with skydive_capture_flows. Absent until the feed was uninterrupted for flow_retention."},
		func(r *CaptureRow) (uint64, bool) { return r.FlowsKnown, r.FlowsKnown > 0 }},
}

// CaptureFamilies returns the metrics of captures; see [CaptureRow.Value].
func CaptureFamilies() []Family {
	var families []Family
	for _, row := range captureTable {
		families = append(families, row.Family)
	}
	return families
}

// Value returns a capture's number in one of [CaptureFamilies]; not ok: it has none.
func (r *CaptureRow) Value(family int) (value uint64, ok bool) { return captureTable[family].of(r) }
