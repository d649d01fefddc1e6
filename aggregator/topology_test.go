// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/script"
)

// drawTopology draws an entry of the topology beside each message, about the nodes, addresses
// and captures in them, and a configuration with labels of names and a bound.
func drawTopology(r *rapid.T, cfg *Config, messages []script.Message) []input.Entry {
	drawNames(r, cfg)
	var nodes, addresses, captures []string
	for _, m := range messages {
		for _, f := range m.Flows {
			nodes, captures = append(nodes, f.NodeTID), append(captures, f.CaptureID)
			if f.Network != nil {
				addresses = append(addresses, f.Network.A, f.Network.B)
			}
		}
	}
	return rapid.SliceOfN(topologyEntries(nodes, addresses, captures), len(messages), len(messages)).Draw(r, "topology")
}

// topologyEntries are entries of the topology about those nodes, addresses and captures.
func topologyEntries(nodes, addresses, captures []string) *rapid.Generator[input.Entry] {
	for _, all := range []*[]string{&nodes, &addresses, &captures} {
		*all = slices.Compact(slices.Sorted(slices.Values(append(*all, "other"))))
	}
	return rapid.Custom(func(r *rapid.T) (e input.Entry) {
		text := func(of ...string) []byte { return []byte(rapid.SampledFrom(of).Draw(r, "text")) }
		number := func() uint64 { return rapid.Uint64Range(0, 9).Draw(r, "number") }
		e.Kind = input.Kind(rapid.IntRange(int(input.KindNodeNames), int(input.KindCapturePackets)).Draw(r, "kind"))
		e.Refresh = input.Refresh{Whole: rapid.IntRange(0, 3).Draw(r, "whole") == 0, End: rapid.Bool().Draw(r, "end")}
		for range rapid.IntRange(0, 6).Draw(r, "rows") {
			gone := rapid.IntRange(0, 3).Draw(r, "gone") == 0
			switch e.Kind {
			case input.KindNodeNames:
				e.NodeNames = append(e.NodeNames, input.NodeName{TID: text(nodes...), Gone: gone, Name: text("", "a", "b"), Host: text("", "h"), Type: text("veth", "t\xff")})
			case input.KindAddressNames:
				e.AddressNames = append(e.AddressNames, input.AddressName{Address: text(addresses...), Gone: gone, Name: text("", "a", "b")})
			case input.KindInterfaces:
				e.Interfaces = append(e.Interfaces, input.Interface{
					NodeTID: text(nodes...), Name: text("eth0", fmt.Sprintf("%300d", 1)), Host: text("h", "\xff"), Gone: gone,
					Values: [input.InterfaceMetrics]uint64{number(), number()},
				})
			case input.KindCapturePackets:
				e.CapturePackets = append(e.CapturePackets, input.CapturePackets{CaptureID: text(captures...), NodeTID: text(nodes...), Gone: gone, Received: number(), Dropped: number()})
			}
		}
		return e
	})
}
