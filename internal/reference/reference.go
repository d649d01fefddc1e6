// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package reference says what a receiver's counters must have increased by,
// from what analyzers reported. It is the judge of exactness and so shares no
// code with the bridge: it keeps every flow for ever and knows neither ticks
// nor series that end.
//
// What was reported for a flow is its last Metric. Of a flow that began before
// the epoch of its node and capture, what its Metric was before the first
// LastUpdateMetric that counts is history; a live record whose LastUpdateMetric is all
// of its Metric is a flow's first update and has none.
package reference

import (
	"strconv"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// Series names one counter of a connection with the default labels.
type Series struct {
	Metric                    string
	InitiatorIP, TargetIP     string
	InitiatorPort, TargetPort string
	Direction                 string
	NodeTID, Protocol         string
}

// Labels returns the series' labels without its name, those that have a value.
func (s Series) Labels() map[string]string {
	labels := map[string]string{
		"initiator_ip": s.InitiatorIP, "target_ip": s.TargetIP,
		"initiator_port": s.InitiatorPort, "target_port": s.TargetPort,
		"direction": s.Direction, "node_tid": s.NodeTID, "protocol": s.Protocol,
	}
	for name, value := range labels {
		if value == "" {
			delete(labels, name)
		}
	}
	return labels
}

// Parse is the inverse of [Series.Labels].
func Parse(metric string, labels map[string]string) Series {
	return Series{
		Metric:      metric,
		InitiatorIP: labels["initiator_ip"], TargetIP: labels["target_ip"],
		InitiatorPort: labels["initiator_port"], TargetPort: labels["target_port"],
		Direction: labels["direction"], NodeTID: labels["node_tid"], Protocol: labels["protocol"],
	}
}

// The metrics and directions that are judged.
const (
	BytesMetric   = "skydive_network_connection_total_bytes"
	PacketsMetric = "skydive_network_connection_total_packets"
	forward       = "initiator_to_target"
	backward      = "target_to_initiator"
)

// Reference collects reports. It is not safe for concurrent use.
type Reference struct {
	epochs map[[2]string]int64 // by node and capture
	flows  map[[2]string]*flow // by UUID and capture
}

type flow struct {
	record        analyzer.Flow // the first
	last, history [4]int64      // ABBytes, BABytes, ABPackets, BAPackets
}

// New returns a reference to which nothing was reported.
func New() *Reference {
	return &Reference{epochs: map[[2]string]int64{}, flows: map[[2]string]*flow{}}
}

// Report takes records in the order in which the bridge read them. Between
// records of flows that began after their epoch, order does not matter.
func (r *Reference) Report(records ...analyzer.Flow) {
	for _, f := range records {
		source := [2]string{f.NodeTID, f.CaptureID}
		lum := f.LastUpdateMetric
		if r.epochs[source] == 0 && f.FinishType != 1 && lum != nil && lum.Last > 0 {
			r.epochs[source] = lum.Last
		}
		if f.Transport == nil {
			continue
		}
		id := [2]string{f.UUID, f.CaptureID}
		known := r.flows[id]
		if known == nil {
			known = &flow{record: f}
			r.flows[id] = known
			epoch := r.epochs[source]
			first := epoch != 0 && f.FinishType != 1 && lum != nil && numbers(lum) == numbers(f.Metric)
			if !first && (epoch == 0 || f.Start <= epoch) {
				known.history = numbers(f.Metric)
				if epoch != 0 && lum != nil && lum.Last >= epoch {
					for i, n := range numbers(lum) {
						known.history[i] -= max(n, 0)
					}
				}
			}
		}
		for i, n := range numbers(f.Metric) {
			known.last[i] = max(known.last[i], n)
		}
	}
}

func numbers(m *analyzer.Metric) [4]int64 {
	return [4]int64{m.ABBytes, m.BABytes, m.ABPackets, m.BAPackets}
}

// Totals returns by how much each counter must have increased, those only that
// did.
func (r *Reference) Totals() map[Series]uint64 {
	totals := map[Series]uint64{}
	for _, f := range r.flows {
		s := Series{
			InitiatorPort: strconv.FormatInt(f.record.Transport.A, 10),
			TargetPort:    strconv.FormatInt(f.record.Transport.B, 10),
			NodeTID:       f.record.NodeTID,
			Protocol:      f.record.Transport.Protocol,
		}
		if n := f.record.Network; n != nil {
			s.InitiatorIP, s.TargetIP = n.A, n.B
		}
		for i, metric := range []string{BytesMetric, BytesMetric, PacketsMetric, PacketsMetric} {
			s.Metric, s.Direction = metric, []string{forward, backward}[i%2]
			if n := f.last[i] - f.history[i]; n > 0 {
				totals[s] += uint64(n)
			}
		}
	}
	return totals
}

// Fold returns totals as every bound on series keeps them, whatever it folds and
// when: summed by metric, direction and protocol.
func Fold(totals map[Series]uint64) map[Series]uint64 {
	folded := map[Series]uint64{}
	for s, n := range totals {
		folded[Series{Metric: s.Metric, Direction: s.Direction, Protocol: s.Protocol}] += n
	}
	return folded
}
