// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// Family is what the series of one metric name share.
type Family struct {
	Name, Help, Unit string
	Counter          bool // false: gauge
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
	of func(f *Flow) uint64
	// dropped counts values without a series because of a bound: name and help.
	dropped, droppedHelp string
}

// gaugeTable has a row for each gauge. The state keeps their values in this order: a row
// more is another stateVersion.
func gaugeTable() [gaugeCount]gaugeFamily {
	return [...]gaugeFamily{
		RTT: {
			Family: Family{Name: "skydive_network_connection_rtt_nanoseconds", Unit: "nanoseconds",
				Help: "Latest round-trip time that Skydive reported for the connection."},
			of:          func(f *Flow) uint64 { return uint64(max(f.Metric.RTT, 0)) },
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
		return r.Bytes, r.Layout.directions()
	case 1:
		return r.Packets, r.Layout.directions()
	}
	if value := r.Gauges[family-2]; value != 0 {
		return [2]uint64{value}, 1
	}
	return values, 0
}
