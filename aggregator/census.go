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
)

const (
	// censusEvery is how long a census is good for, unless there are twice as many
	// connections by then: one looks at each of them, which takes about 0.3 µs.
	censusEvery = time.Minute
	// topNodes is how many nodes a census names.
	topNodes = 10
)

// LabelValues says what a label costs. Both numbers are estimates, good to 2 % as a
// rule, over the connections that have series of their own.
type LabelValues struct {
	Name string
	// Values is how many different ones there are.
	Values int
	// SeriesWithout is how many series there would be if the label was not chosen.
	SeriesWithout int
}

// NodeSeries is a node by its share of the series.
type NodeSeries struct {
	TID string
	// Series are those of the connections that it reported first.
	Series int
	// OverflowBytes is what the overflow counts of its flows, since the node is known
	// to this process.
	OverflowBytes uint64
}

// census counts what live connections are made of.
type census struct {
	mu     sync.Mutex
	taken  time.Time
	layout *Layout // as it was then
	own    int     // connections that had series of their own
	labels []LabelValues
}

// Census returns the labels of connections, those with the most values first. It is
// up to a minute old, and must not be changed.
func (a *Aggregator) Census() []LabelValues {
	c := &a.census
	c.mu.Lock()
	defer c.mu.Unlock()
	a.mu.Lock()
	layout, own := a.connections.layout, a.connections.own
	a.mu.Unlock()
	if now := a.now(); layout != c.layout || own > 2*c.own || now.Sub(c.taken) >= censusEvery {
		c.taken, c.layout, c.own, c.labels = now, layout, own, a.labelValues()
	}
	return c.labels
}

// labelValues looks at the label values of each connection.
func (a *Aggregator) labelValues() []LabelValues {
	a.mu.Lock()
	cs, seed := a.connections, a.folds.seed
	a.mu.Unlock()
	names, direction := cs.layout.Names, cs.layout.Direction

	// For each label the hashes of its values, and of all values but its own; at last
	// those of all values.
	values, without := make([]distinct, len(names)), make([]distinct, len(names)+1)
	hashes := make([]uint64, len(names))
	connections, gauges := 0, 0
	texts := make([]string, 0, batch)
	for next, end := uint32(0), false; !end; {
		a.mu.Lock()
		texts = texts[:0]
		size := cs.records.size
		for limit := min(next+batch, size); next < limit; next++ {
			if c := cs.records.at(next); c.used && !c.overflow && c.phase != ended {
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
				values[i].add(hashes[i])
				hashes[i] = spread(hashes[i] + uint64(i)) // a value counts otherwise under another label
				all += hashes[i]
			}
			for i, h := range hashes {
				without[i].add(spread(all - h))
			}
			without[len(names)].add(spread(all))
		}
	}

	series := 2*connections*cs.layout.directions() + gauges
	all := without[len(names)].estimate(&distinct{})
	out := make([]LabelValues, len(names))
	for i, name := range names {
		out[i] = LabelValues{name, values[i].estimate(&distinct{}), 0}
		switch {
		case connections == 0:
		case i == direction:
			out[i].Values, out[i].SeriesWithout = 2, series-2*connections
		default:
			share := float64(without[i].estimate(&distinct{})) / float64(max(all, 1))
			out[i].SeriesWithout = int(math.Round(min(share, 1) * float64(series)))
		}
	}
	slices.SortStableFunc(out, func(x, y LabelValues) int { return cmp.Compare(y.Values, x.Values) })
	return out
}

// spread mixes the bits of a sum of hashes (the finalizer of splitmix64): sums
// differ mostly in their low bits, estimates look at the high ones first.
func spread(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// busyNodes returns the nodes with the most series.
func (a *Aggregator) busyNodes() []NodeSeries {
	a.mu.Lock()
	all := make([]NodeSeries, 0, len(a.sources.nodes.byTID))
	for _, n := range a.sources.nodes.byTID {
		if n.series > 0 || n.folded > 0 {
			all = append(all, NodeSeries{n.tid, n.series, n.folded})
		}
	}
	a.mu.Unlock()
	slices.SortFunc(all, func(x, y NodeSeries) int {
		return cmp.Or(cmp.Compare(y.Series, x.Series), cmp.Compare(y.OverflowBytes, x.OverflowBytes), strings.Compare(x.TID, y.TID))
	})
	return slices.Clone(all[:min(len(all), topNodes)])
}

// labelCollector tells which label drives the number of series. Labels come and go
// with the configuration, so the metrics are made as they are asked for.
type labelCollector struct {
	census         func() []LabelValues
	values, series *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *labelCollector) Describe(out chan<- *prometheus.Desc) { out <- c.values; out <- c.series }

// Collect implements prometheus.Collector.
func (c *labelCollector) Collect(out chan<- prometheus.Metric) {
	for _, l := range c.census() {
		out <- prometheus.MustNewConstMetric(c.values, prometheus.GaugeValue, float64(l.Values), l.Name)
		out <- prometheus.MustNewConstMetric(c.series, prometheus.GaugeValue, float64(l.SeriesWithout), l.Name)
	}
}
