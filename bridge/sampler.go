// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// sampler converts what the aggregator samples into remote-write samples. It is an
// [aggregator.Emitter] for one tick at a time, and not safe for concurrent use.
type sampler struct {
	tick        *queue.TickBuilder
	connections []metric
	captures    []metric
	interfaces  []metric
	labels      []wire.Label // scratch
	values      []string     // scratch
}

// metric is a metric as the log has it.
type metric struct {
	wire.Metric
	foreign bool // see [aggregator.Family]
}

func newSampler() *sampler {
	interfaces := aggregator.InterfaceFamilies()
	return &sampler{
		connections: families(aggregator.ConnectionFamilies()),
		captures:    families(aggregator.CaptureFamilies()),
		interfaces:  families(interfaces[:]),
	}
}

func families(all []aggregator.Family) []metric {
	out := make([]metric, len(all))
	for i, f := range all {
		out[i] = metric{wire.Metric{Name: f.Name, Help: f.Help, Unit: f.Unit, Type: wire.Gauge}, f.Foreign}
		if f.Counter {
			out[i].Type = wire.Counter
		}
	}
	return out
}

// Connections writes the samples of connections.
func (s *sampler) Connections(points []aggregator.Point) {
	for i := range points {
		p := &points[i]
		s.split(&p.Row)
		directions := []string{""}
		if p.Layout.Direction >= 0 {
			directions = []string{label.InitiatorToTarget, label.TargetToInitiator}
		}
		for d, direction := range directions {
			if p.Layout.Direction >= 0 {
				s.values[p.Layout.Direction] = direction
			}
			s.tick.LabelValues(p.Layout.Names, s.values)
			for j := range s.connections {
				m := &s.connections[j]
				if values, series := p.Value(j); d < series {
					s.sample(m, values[d], p.Begin, p.Start, p.End)
				}
			}
		}
	}
}

// Captures writes the samples of capture statistics.
func (s *sampler) Captures(points []aggregator.CapturePoint) {
	for i := range points {
		p := &points[i]
		s.labels = append(s.labels[:0], wire.Label{Name: "capture_id", Value: p.CaptureID})
		s.tick.Labels(s.labels)
		for j := range s.captures {
			m := &s.captures[j]
			value, ok := p.Value(j)
			end := p.End
			if !ok {
				if value, end = p.Before.Value(j); !end {
					continue
				}
			}
			s.sample(m, value, p.Begin, p.Start, end)
		}
	}
}

// Interfaces writes the samples of network interfaces.
func (s *sampler) Interfaces(points []aggregator.InterfacePoint) {
	for i := range points {
		p := &points[i]
		s.labels = s.labels[:0]
		for _, l := range p.All() {
			s.labels = append(s.labels, wire.Label(l)) // empty ones are left out
		}
		s.tick.Labels(s.labels)
		for j, total := range p.Values {
			s.sample(&s.interfaces[j], total, 0, 0, p.End)
		}
	}
}

// sample writes one series' samples of a tick.
func (s *sampler) sample(m *metric, value uint64, begin, start int64, end bool) {
	if m.foreign {
		begin, start = 0, 0
	}
	switch {
	case m.Type == wire.Gauge && end:
		s.tick.Stale(&m.Metric)
		return
	case m.Type == wire.Gauge:
		start = 0
	case end:
		s.tick.End(&m.Metric, start, float64(value))
		return
	case begin != 0:
		s.tick.Zero(&m.Metric, begin)
	}
	s.tick.Value(&m.Metric, start, float64(value))
}

// split sets values to those of a row, in the order of its names, with "" for direction.
func (s *sampler) split(row *aggregator.Row) {
	s.values = s.values[:0]
	for _, value := range row.Layout.Values(row.Values) {
		s.values = append(s.values, value)
	}
}
