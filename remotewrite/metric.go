// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

// Label is one label of a series.
type Label struct{ Name, Value string }

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

// unitBytes is the unit of counters that count traffic.
const unitBytes = "bytes"

// nameLabel is the label that carries the metric's name.
const nameLabel = "__name__"

// staleMarker is the one NaN that ends a series, bit for bit (remote-write 1.0,
// "Stale Markers"; model/value.StaleNaN in Prometheus).
const staleMarker uint64 = 0x7ff0000000000002
