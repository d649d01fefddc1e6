// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"bytes"

	"github.com/skydive-project/skybridge/input"
)

// encapsulates says whether a flow of these layers carries others: where Skydive
// splits a packet (flow.go, PacketSeqFromGoPacket), the outer flow's path ends in
// the encapsulation.
func encapsulates(layersPath []byte) bool {
	switch string(layersPath[bytes.LastIndexByte(layersPath, '/')+1:]) {
	case "VXLAN", "GRE", "MPLS", "Geneve", "GENEVE":
		return true
	}
	return false
}

// synTimes are when the capture saw the SYN of either end, in milliseconds on the
// agent's clock, 0: never. Captures without ExtraTCPMetric have none.
type synTimes struct{ ab, ba int64 }

var synKeys = keysOf("ABSynStart", "BASynStart")

// readSynTimes reads a TCPMetric.
func readSynTimes(b []byte, i, depth int) (t synTimes, pos int) {
	var v [2]int64 // as in synKeys
	_, _, pos = readNumbers(b, i, depth, synKeys, v[:])
	return synTimes{v[0], v[1]}, pos
}

// opened says who opened a connection whose first packet was seen at start. It is
// known only where the capture saw the SYN of either end: a SYN alone may be the second
// one, whose first the capture missed, or one that gets no answer. Where both came within a millisecond, A's was first if it was
// the flow's first packet.
func (t synTimes) opened(start int64) input.Opened {
	switch {
	case t.ab <= 0 || t.ba <= 0:
		return input.OpenedUnknown
	case t.ab < t.ba:
		return input.OpenedByA
	case t.ba < t.ab:
		return input.OpenedByB
	case t.ab == start:
		return input.OpenedByA
	}
	return input.OpenedUnknown
}
