// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package script

import (
	"math/rand/v2"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// Twin returns what other captures report of the same flows, some of whose records
// get lost: one on the same node, at an access port, which sees a VLAN without its tag
// and nothing of others, and one on another node, which sees half of the connections
// from the other side.
func Twin(flows []analyzer.Flow, rng *rand.Rand) (seen []analyzer.Flow) {
	for _, f := range flows {
		if f.Transport == nil {
			continue
		}
		same, other := f, f
		same.UUID, same.CaptureID = "5"+f.UUID[1:], "same-node"
		other.UUID, other.CaptureID, other.NodeTID = "6"+f.UUID[1:], "other-node", "other-node"
		atPort := f.Link == nil || f.Link.ID == accessVLAN
		same.Link = nil
		if f.Transport.A%2 == 1 {
			other.Network = &analyzer.Layer{Protocol: f.Network.Protocol, A: f.Network.B, B: f.Network.A}
			other.Transport = &analyzer.Transport{Protocol: f.Transport.Protocol, A: f.Transport.B, B: f.Transport.A}
			swap := func(m *analyzer.Metric) *analyzer.Metric {
				s := *m
				s.ABBytes, s.BABytes, s.ABPackets, s.BAPackets = m.BABytes, m.ABBytes, m.BAPackets, m.ABPackets
				return &s
			}
			if other.Metric = swap(f.Metric); f.LastUpdateMetric != nil {
				other.LastUpdateMetric = swap(f.LastUpdateMetric)
			}
		}
		for _, one := range []analyzer.Flow{same, other} {
			if rng.IntN(10) > 0 && (atPort || one.CaptureID != same.CaptureID) {
				seen = append(seen, one)
			}
		}
	}
	return seen
}
