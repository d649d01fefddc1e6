// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"strings"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// sampler turns what the aggregator samples into remote-write samples: it is the
// one place that knows both. It is an [aggregator.Emitter] for one tick at a
// time, and not safe for concurrent use.
type sampler struct {
	tick        *queue.TickBuilder
	connections []wire.Metric
	captures    [aggregator.CaptureMetrics]wire.Metric
	interfaces  [aggregator.InterfaceMetrics]wire.Metric
	labels      []wire.Label // scratch
	values      []string     // scratch
}

func newSampler() *sampler {
	s := &sampler{}
	for _, f := range aggregator.ConnectionFamilies() {
		s.connections = append(s.connections, metric(f))
	}
	for i, f := range aggregator.CaptureFamilies() {
		s.captures[i] = metric(f)
	}
	for i, f := range aggregator.InterfaceFamilies() {
		s.interfaces[i] = metric(f)
	}
	return s
}

func metric(f aggregator.Family) wire.Metric {
	m := wire.Metric{Name: f.Name, Help: f.Help, Unit: f.Unit, Type: wire.Gauge}
	if f.Counter {
		m.Type = wire.Counter
	}
	return m
}

// Connections writes the samples of connections.
func (s *sampler) Connections(points []aggregator.Point) {
	for i := range points {
		p := &points[i]
		s.split(&p.Row)
		directions := []string{""}
		if p.Layout.Direction >= 0 {
			directions = []string{aggregator.DirectionInitiatorToTarget, aggregator.DirectionTargetToInitiator}
		}
		for d, direction := range directions {
			if p.Layout.Direction >= 0 {
				s.values[p.Layout.Direction] = direction
			}
			s.tick.LabelValues(p.Layout.Names, s.values)
			for j := range s.connections {
				m := &s.connections[j]
				values, series := p.Value(j)
				switch {
				case d >= series:
				case m.Type == wire.Gauge:
					s.gauge(m, values[d], p.End)
				default:
					s.counter(m, values[d], p.Begin, p.Start, p.End)
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
			switch {
			case m.Type == wire.Gauge:
				s.gauge(m, value, end)
			case j == aggregator.PacketsDropped || j == aggregator.PacketsReceived:
				s.counter(m, value, 0, 0, end) // as with interfaces
			default:
				s.counter(m, value, p.Begin, p.Start, end)
			}
		}
	}
}

// Interfaces writes the samples of network interfaces: counters without a zero,
// and without a start, for they began before anybody looked.
func (s *sampler) Interfaces(points []aggregator.InterfacePoint) {
	for i := range points {
		p := &points[i]
		s.labels = s.labels[:0]
		for _, l := range p.All() {
			s.labels = append(s.labels, wire.Label(l)) // empty ones are left out
		}
		s.tick.Labels(s.labels)
		for j, total := range p.Values {
			s.counter(&s.interfaces[j], total, 0, 0, p.End)
		}
	}
}

func (s *sampler) counter(m *wire.Metric, value uint64, begin, start int64, end bool) {
	if end {
		s.tick.End(m, start, float64(value))
		return
	}
	if begin != 0 {
		s.tick.Zero(m, begin)
	}
	s.tick.Value(m, start, float64(value))
}

func (s *sampler) gauge(m *wire.Metric, value uint64, end bool) {
	if end {
		s.tick.Stale(m)
		return
	}
	s.tick.Value(m, 0, float64(value))
}

// split makes values a row's values, in the order of its names and without that of
// direction.
func (s *sampler) split(row *aggregator.Row) {
	s.values = s.values[:0]
	for rest := row.Values; len(s.values) < len(row.Layout.Names); {
		var value string
		if len(s.values) != row.Layout.Direction {
			end := strings.IndexByte(rest, aggregator.Separator)
			value, rest = rest[:end], rest[end+1:]
		}
		s.values = append(s.values, value)
	}
}
