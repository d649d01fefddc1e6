// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "github.com/skydive-project/skybridge/input"

// Tunnels says which flows of a tunnel count. Skydive reports the carrying flow and those that
// it carries; their sum has the payload twice.
type Tunnels string

// The values of [Tunnels].
const (
	TunnelsBoth  Tunnels = "both"
	TunnelsInner Tunnels = "inner" // what is carried
	TunnelsOuter Tunnels = "outer" // what carries
)

// Values of the label value of skybridge_filtered_bytes_total.
const (
	tunnelInner = "inner"
	tunnelOuter = "outer"
)

// dropTunnel reports whether a flow is of the side of a tunnel that does not count, and counts
// its traffic as filtered.
func (a *Aggregator) dropTunnel(p *progress, f *input.Flow, from *origin) bool {
	switch a.cfg.Tunnels {
	case TunnelsOuter:
		if len(f.ParentUUID) == 0 || !a.carrierCounts(f, from) {
			return false
		}
		a.metrics.tunnelled(tunnelInner, p.delta.totalBytes())
	case TunnelsInner:
		a.markParent(f, from)
		if !f.Outer && !p.record.flags.is(isOuter) {
			return false
		}
		a.metrics.tunnelled(tunnelOuter, p.delta.totalBytes())
	default:
		return false
	}
	return true
}

// markParent marks the flow's parent as one that carries others, for encapsulations that its
// layers do not name.
func (a *Aggregator) markParent(f *input.Flow, from *origin) {
	if len(f.ParentUUID) == 0 {
		return
	}
	if _, parent := a.baselines.find(f.ParentUUID, from); parent != nil && !parent.flags.is(isOuter) {
		parent.flags.set(isOuter, true)
	}
}

func (m *metrics) tunnelled(value string, bytes uint64) {
	m.filteredBytes.WithLabelValues(filterTunnels, value).Add(float64(bytes))
}
