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
//
// Where an agent's clock was set back, what a flow carried may be history although the
// flow is new: see [Reference.Least].
package reference

import (
	"iter"
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
	// View says what counts in [Reference.Totals].
	View View
	// Clocks: those of agents are set. Totals is then the most that can be right.
	Clocks bool
	epochs map[[2]string]int64 // by node and capture
	clocks map[string]*clock   // by node
	flows  map[[2]string]*flow // by UUID and capture
}

type flow struct {
	record        analyzer.Flow // the first
	last, history [4]int64      // ABBytes, BABytes, ABPackets, BAPackets
	// whole: the first record was the first update, or the Start one that the clock had
	// not passed twice.
	whole bool
	// misdated: a record's time is before the Start, or the Start is up to the epoch
	// although the flow is new.
	misdated bool
}

// clock is what records show of their agent's clock, in ms on it.
type clock struct {
	latest int64 // time of a record
	twice  int64 // until when it passed times twice; 0: it was not set back
}

// late is by how much updates can overtake each other, in ms.
const late = 10_000

// observe takes the time of a record. Updates come in order, or nearly so.
func (c *clock) observe(start, at int64, update bool) {
	if start > at || update && at < c.latest-late {
		c.twice = max(c.twice, c.latest, start)
	}
	c.latest = max(c.latest, at)
}

// New returns a reference to which nothing was reported.
func New() *Reference {
	return &Reference{epochs: map[[2]string]int64{}, clocks: map[string]*clock{}, flows: map[[2]string]*flow{}}
}

// Least returns what must have been counted at least where agents' clocks are set. If
// every record was heard in its order, that is all of flows that were reported from their
// first update on, or began in no span that the clock had passed twice, as it seems when
// records come late. If not, and no flow was evicted, it is all of those whose times are
// in order.
func (r *Reference) Least(heard bool) *Reference {
	least := *r
	least.flows = map[[2]string]*flow{}
	for id, f := range r.flows {
		certain := !f.misdated
		if heard {
			certain = f.whole
		}
		if !certain {
			uncertain := *f
			uncertain.last = f.history
			f = &uncertain
		}
		least.flows[id] = f
	}
	return &least
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
		id := [2]string{f.UUID, f.CaptureID}
		known := r.flows[id]
		c := r.clocks[f.NodeTID]
		if c == nil {
			c = &clock{}
			r.clocks[f.NodeTID] = c
		}
		at := f.Metric.Last
		if lum != nil {
			at = lum.Last
		}
		if known == nil || known.grows(f.Metric) {
			c.observe(f.Start, at, f.FinishType != 1 && lum != nil)
		}
		if known == nil {
			known = &flow{record: f}
			r.flows[id] = known
			epoch := r.epochs[source]
			first := epoch != 0 && f.FinishType != 1 && lum != nil && numbers(lum) == numbers(f.Metric)
			// A Start up to the epoch says nothing once the clock was set back.
			isOld := epoch == 0 || f.Start <= epoch && (!r.Clocks || c.twice == 0)
			known.whole = first || f.Start > c.twice
			known.misdated = !isOld && f.Start <= epoch
			if !first && isOld {
				known.history = numbers(f.Metric)
				if epoch != 0 && lum != nil && lum.Last >= epoch {
					for i, n := range numbers(lum) {
						known.history[i] -= max(n, 0)
					}
				}
			}
		}
		known.misdated = known.misdated || f.Start > at
		for i, n := range numbers(f.Metric) {
			known.last[i] = max(known.last[i], n)
		}
	}
}

func (f *flow) grows(m *analyzer.Metric) bool {
	for i, n := range numbers(m) {
		if n > f.last[i] {
			return true
		}
	}
	return false
}

func numbers(m *analyzer.Metric) [4]int64 {
	return [4]int64{m.ABBytes, m.BABytes, m.ABPackets, m.BAPackets}
}

// Totals returns by how much each counter must have increased, those only that
// did.
func (r *Reference) Totals() map[Series]uint64 {
	totals := map[Series]uint64{}
	for f, i := range r.counted(r.View) {
		s := Series{
			Metric: []string{BytesMetric, PacketsMetric}[i/2], Direction: []string{forward, backward}[i%2],
			NodeTID: f.record.NodeTID, Protocol: protocol(f.record),
		}
		if n := f.record.Network; n != nil {
			s.InitiatorIP, s.TargetIP = n.A, n.B
		}
		if tr := f.record.Transport; tr != nil {
			s.InitiatorPort, s.TargetPort = strconv.FormatInt(tr.A, 10), strconv.FormatInt(tr.B, 10)
		}
		totals[s] += uint64(f.last[i] - f.history[i])
	}
	return totals
}

// counted are the flows that count in a view, each with the numbers that grew.
func (r *Reference) counted(v View) iter.Seq2[*flow, int] {
	return func(yield func(*flow, int) bool) {
		for _, f := range r.flows {
			if !v.has(f.record) || r.excludes(v, f.record) {
				continue
			}
			for i := range f.last {
				if f.last[i] > f.history[i] && !yield(f, i) {
					return
				}
			}
		}
	}
}
