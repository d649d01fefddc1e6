// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

// MetricType is what a metric is, numbered as in remote-write 2.0
// (io.prometheus.write.v2.Metadata.MetricType).
type MetricType uint8

// The types of metrics that exist here.
const (
	Counter MetricType = 1
	Gauge   MetricType = 2
)

// Metric is a metric family. It is identified by its address: make one per
// family, keep it, and never change it after its first use.
type Metric struct {
	Name, Help, Unit string
	Type             MetricType
}

// StaleMarker is the one NaN that ends a series, bit for bit (remote-write 1.0,
// "Stale Markers"; model/value.StaleNaN in Prometheus).
const StaleMarker uint64 = 0x7ff0000000000002

// Sample is one sample of a series.
type Sample struct {
	// Value is the value's bits, for a NaN must survive.
	Value uint64
	// At is the sample's time, and Start when its counter began, in ms since the epoch; 0:
	// it is not known, or no counter.
	At, Start int64
}

// Count counts samples, stale markers among them.
type Count struct{ Samples, Stale int }

func (c *Count) add(value uint64) {
	c.Samples++
	if value == StaleMarker {
		c.Stale++
	}
}
