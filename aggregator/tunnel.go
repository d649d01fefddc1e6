// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// Tunnels says which flows of a tunnel count. Skydive reports the flow that
// carries others and those that it carries; their sum has the payload twice.
type Tunnels string

// What counts of a tunnel.
const (
	TunnelsBoth  Tunnels = "both"
	TunnelsInner Tunnels = "inner" // what is carried
	TunnelsOuter Tunnels = "outer" // what carries
)

// What a flow of a tunnel is, as the metric of filtered bytes says it.
const (
	tunnelInner = "inner"
	tunnelOuter = "outer"
)

// dropTunnel says whether a flow is of the side of a tunnel that does not count,
// and counts what it carried.
func (a *Aggregator) dropTunnel(p *progress, f *Flow, src *source) bool {
	switch a.cfg.Tunnels {
	case TunnelsOuter:
		if len(f.ParentUUID) == 0 || !a.carrierCounts(f, src) {
			return false
		}
		a.metrics.tunnelled(tunnelInner, p.delta.totalBytes())
	case TunnelsInner:
		a.markParent(f, src)
		if !f.Outer && !p.record.from.is(isOuter) {
			return false
		}
		a.metrics.tunnelled(tunnelOuter, p.delta.totalBytes())
	default:
		return false
	}
	return true
}

// markParent notes that the flow's parent carries others. Its layers say so as a
// rule; this is for the encapsulations that they do not name.
func (a *Aggregator) markParent(f *Flow, src *source) {
	if len(f.ParentUUID) == 0 {
		return
	}
	if i, parent := a.baselines.findUUID(f.ParentUUID, src); parent != nil && !parent.from.is(isOuter) {
		parent.from.set(isOuter, true)
		a.journal.conversation(i, parent)
	}
}

func (m *metrics) tunnelled(value string, bytes uint64) {
	m.filteredBytes.WithLabelValues(filterTunnels, value).Add(float64(bytes))
}
