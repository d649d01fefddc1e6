// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"strconv"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// Conversations says what must have been counted of connections that several
// captures see, where those count once. What one capture alone reported of a
// connection is the sum of its flows; of the captures the highest sum counts,
// number by number. That is exact where they saw the connection from its
// beginning; where one came later, or reports of a flow that is over were lost, it
// is the least that must have been counted.
type Conversations struct {
	one   bool
	flows *Reference
	order []*flow // as they were first reported
}

// NewConversations returns one to which nothing was reported. With one, captures
// on different nodes count once, too, and no series has a node_tid.
func NewConversations(one bool) *Conversations {
	return &Conversations{one: one, flows: New()}
}

// Report takes records in the order in which the bridge read them.
func (c *Conversations) Report(records ...analyzer.Flow) {
	for _, f := range records {
		before := len(c.flows.flows)
		c.flows.Report(f)
		if len(c.flows.flows) > before {
			c.order = append(c.order, c.flows.flows[[2]string{f.UUID, f.CaptureID}])
		}
	}
}

// end is one end of a connection.
type end struct {
	address string
	port    int64
}

// Totals returns by how much each counter must have increased, those only that
// did. Names are as the first flow of the connection has them.
func (c *Conversations) Totals() map[Series]uint64 {
	type key struct {
		node, protocol string
		low, high      end
	}
	type conversation struct {
		first Series
		a     end
		sums  map[[2]string]*[4]int64 // by node and capture
	}
	all := map[key]*conversation{}
	for _, f := range c.order {
		tr := f.record.Transport
		a, b := end{port: tr.A}, end{port: tr.B}
		if n := f.record.Network; n != nil {
			a.address, b.address = n.A, n.B
		}
		k := key{node: f.record.NodeTID, protocol: tr.Protocol, low: a, high: b}
		if c.one {
			k.node = ""
		}
		if b.address < a.address || (a.address == b.address && b.port < a.port) {
			k.low, k.high = b, a
		}
		v := all[k]
		if v == nil {
			v = &conversation{a: a, sums: map[[2]string]*[4]int64{}, first: Series{
				InitiatorIP: a.address, TargetIP: b.address, Protocol: tr.Protocol, NodeTID: k.node,
				InitiatorPort: strconv.FormatInt(a.port, 10), TargetPort: strconv.FormatInt(b.port, 10),
			}}
			all[k] = v
		}
		observer := [2]string{f.record.NodeTID, f.record.CaptureID}
		if v.sums[observer] == nil {
			v.sums[observer] = &[4]int64{}
		}
		for i := range f.last {
			at := i
			if a != v.a {
				at = i ^ 1 // the other direction
			}
			v.sums[observer][at] += max(f.last[i]-f.history[i], 0)
		}
	}
	totals := map[Series]uint64{}
	for _, v := range all {
		for i, metric := range []string{BytesMetric, BytesMetric, PacketsMetric, PacketsMetric} {
			var most int64
			for _, sum := range v.sums {
				most = max(most, sum[i])
			}
			s := v.first
			s.Metric, s.Direction = metric, []string{forward, backward}[i%2]
			if most > 0 {
				totals[s] += uint64(most)
			}
		}
	}
	return totals
}
