// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package reference

import "github.com/skydive-project/skybridge/internal/analyzer"

// end is one end of a connection.
type end struct {
	address string
	port    int64
}

// Conversations says what must have been counted of connections that several
// captures see, where those count once; with one, those on different nodes do, too. What
// one capture alone reported of a connection is the sum of its flows; of the captures the
// highest sum counts, number by number. That is exact where they saw the connection from
// its beginning; where one came later, or reports of a flow that is over were lost, it
// is the least that must have been counted. Labels are as the first flow of the connection
// has them.
func (r *Reference) Conversations(v View, one bool) map[string]uint64 {
	type key struct {
		node, protocol string
		low, high      end
	}
	type conversation struct {
		first analyzer.Flow
		a     end
		sums  map[[2]string]*[4]int64 // by node and capture
	}
	all := map[key]*conversation{}
	for _, f := range r.order {
		if !v.has(f.record) || r.excludes(v, f.record) {
			continue
		}
		var a, b end
		if tr := f.record.Transport; tr != nil {
			a.port, b.port = tr.A, tr.B
		}
		if n := f.record.Network; n != nil {
			a.address, b.address = n.A, n.B
		}
		k := key{node: f.record.NodeTID, protocol: protocol(f.record), low: a, high: b}
		if one {
			k.node = ""
		}
		if b.address < a.address || (a.address == b.address && b.port < a.port) {
			k.low, k.high = b, a
		}
		talk := all[k]
		if talk == nil {
			talk = &conversation{first: f.record, a: a, sums: map[[2]string]*[4]int64{}}
			all[k] = talk
		}
		observer := [2]string{f.record.NodeTID, f.record.CaptureID}
		if talk.sums[observer] == nil {
			talk.sums[observer] = &[4]int64{}
		}
		for i := range f.last {
			at := i
			if a != talk.a {
				at = i ^ 1 // the other direction
			}
			talk.sums[observer][at] += max(f.last[i]-f.history[i], 0)
		}
	}
	totals := map[string]uint64{}
	for _, talk := range all {
		for i := range 4 {
			var most int64
			for _, sum := range talk.sums {
				most = max(most, sum[i])
			}
			if most > 0 {
				totals[v.name(talk.first, i)] += uint64(most)
			}
		}
	}
	return totals
}
