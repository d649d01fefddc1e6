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

// labelSet is the labels of the samples that follow, external labels included,
// sorted by name and without the metric's name.
type labelSet struct {
	labels []Label
	// nameAt is where the metric's name belongs: names may sort before it.
	nameAt int
	// version tells one set from the next; 0 is none yet.
	version uint64
}

// merge makes the set of labels plus what of external they do not have. Both
// are sorted. A label with an empty value is an absent label (data model).
func (s *labelSet) merge(labels, external []Label) {
	s.version++
	s.labels = s.labels[:0]
	for len(labels) > 0 || len(external) > 0 {
		var next Label
		switch {
		case len(external) == 0 || (len(labels) > 0 && labels[0].Name < external[0].Name):
			next, labels = labels[0], labels[1:]
		case len(labels) == 0 || external[0].Name < labels[0].Name:
			next, external = external[0], external[1:]
		case labels[0].Value == "":
			next, labels, external = external[0], labels[1:], external[1:]
		default: // the series' own label wins, as in Prometheus
			next, labels, external = labels[0], labels[1:], external[1:]
		}
		if next.Value != "" {
			s.labels = append(s.labels, next)
		}
	}
	s.nameAt = 0
	for s.nameAt < len(s.labels) && s.labels[s.nameAt].Name < nameLabel {
		s.nameAt++
	}
}
