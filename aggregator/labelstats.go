// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/aggregator/sketch"
)

const (
	// labelStatsEvery is how old [Aggregator.LabelStats] may be, unless the number of
	// connections has doubled: taking them costs about 0.3 µs a connection.
	labelStatsEvery = time.Minute
	// topNodes is how many nodes [Status] has.
	topNodes = 10
)

// LabelValues is the cardinality of a label. Both numbers are estimates, usually good to
// 2 %, over the connections that have series of their own.
type LabelValues struct {
	Name string
	// Values is the number of different values.
	Values int
	// SeriesWithout is how many series there would be without the label.
	SeriesWithout int
}

// NodeSeries is a node's share of the series.
type NodeSeries struct {
	TID string
	// Series are those of connections that it reported first.
	Series int
	// OverflowBytes is what the overflow has counted of its flows since this process
	// knows the node.
	OverflowBytes uint64
}

// labelStats caches the cardinality of labels.
type labelStats struct {
	mu     sync.Mutex
	taken  int64         // ms, of the latest input then
	layout *label.Layout // as it was then
	own    int           // connections that had series of their own
	labels []LabelValues
}

// LabelStats returns the labels of connections, those with the most values first. The
// slice is up to a minute old and must not be changed.
func (a *Aggregator) LabelStats() []LabelValues {
	c := &a.labelStats
	c.mu.Lock()
	defer c.mu.Unlock()
	a.mu.Lock()
	layout, own, now := a.connections.layout, a.connections.own, a.time
	a.mu.Unlock()
	if layout != c.layout || own > 2*c.own || now-c.taken >= labelStatsEvery.Milliseconds() {
		c.taken, c.layout, c.own, c.labels = now, layout, own, a.labelValues()
	}
	return c.labels
}

// labelValues estimates the cardinality of each label over all connections.
func (a *Aggregator) labelValues() []LabelValues {
	a.mu.Lock()
	cs, seed := a.connections, maphash.MakeSeed()
	a.mu.Unlock()
	names, direction := cs.layout.Names, cs.layout.Direction

	// For each label the hashes of its values, and those of all values without it; last
	// those of all values.
	values, without := make([]sketch.HyperLogLog, len(names)), make([]sketch.HyperLogLog, len(names)+1)
	hashes := make([]uint64, len(names))
	connections, gauges := 0, 0
	texts := make([]string, 0, batch)
	for next, end := uint32(0), false; !end; {
		a.mu.Lock()
		texts = texts[:0]
		size := cs.records.size
		for limit := min(next+batch, size); next < limit; next++ {
			if c := cs.records.peek(next); c.used && !c.overflow && c.phase != ended {
				texts = append(texts, c.values)
				gauges += c.gauges.series()
			}
		}
		end = next == size
		a.mu.Unlock()
		connections += len(texts)
		for _, text := range texts {
			all := uint64(0)
			for i, value := range cs.layout.Values(text) {
				if i == direction {
					continue
				}
				hashes[i] = maphash.String(seed, value)
				values[i].Add(hashes[i])
				hashes[i] = sketch.Spread(hashes[i] + uint64(i)) // the same value under another label differs
				all += hashes[i]
			}
			for i, h := range hashes {
				without[i].Add(sketch.Spread(all - h))
			}
			without[len(names)].Add(sketch.Spread(all))
		}
	}

	series := 2*connections*cs.layout.Directions() + gauges
	all := without[len(names)].Estimate(&sketch.HyperLogLog{})
	out := make([]LabelValues, len(names))
	for i, name := range names {
		out[i] = LabelValues{name, values[i].Estimate(&sketch.HyperLogLog{}), 0}
		switch {
		case connections == 0:
		case i == direction:
			out[i].Values, out[i].SeriesWithout = 2, series-2*connections
		default:
			share := float64(without[i].Estimate(&sketch.HyperLogLog{})) / float64(max(all, 1))
			out[i].SeriesWithout = int(math.Round(min(share, 1) * float64(series)))
		}
	}
	slices.SortStableFunc(out, func(x, y LabelValues) int { return cmp.Compare(y.Values, x.Values) })
	return out
}

// busyNodes returns the nodes with the most series.
func (a *Aggregator) busyNodes() []NodeSeries {
	a.mu.Lock()
	all, seen := make([]NodeSeries, 0, len(a.origins.nodes.byTID)), map[*node]bool{}
	for id := range a.origins.records.size {
		s := a.origins.peek(id)
		if s != nil && !seen[s.node] && (s.node.series > 0 || s.node.overflowBytes > 0) {
			seen[s.node] = true
			all = append(all, NodeSeries{s.node.tid, s.node.series, s.node.overflowBytes})
		}
	}
	a.mu.Unlock()
	slices.SortFunc(all, func(x, y NodeSeries) int {
		return cmp.Or(cmp.Compare(y.Series, x.Series), cmp.Compare(y.OverflowBytes, x.OverflowBytes), strings.Compare(x.TID, y.TID))
	})
	return slices.Clone(all[:min(len(all), topNodes)])
}

// labelCollector exports [Aggregator.LabelStats]. Labels change with the configuration, so
// the metrics are made at each scrape.
type labelCollector struct {
	stats          func() []LabelValues
	values, series *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *labelCollector) Describe(out chan<- *prometheus.Desc) { out <- c.values; out <- c.series }

// Collect implements prometheus.Collector.
func (c *labelCollector) Collect(out chan<- prometheus.Metric) {
	for _, l := range c.stats() {
		out <- prometheus.MustNewConstMetric(c.values, prometheus.GaugeValue, float64(l.Values), l.Name)
		out <- prometheus.MustNewConstMetric(c.series, prometheus.GaugeValue, float64(l.SeriesWithout), l.Name)
	}
}
