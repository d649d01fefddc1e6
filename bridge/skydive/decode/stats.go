// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"errors"
	"fmt"

	"github.com/skydive-project/skybridge/input"
)

// maxCaptureID is the longest capture id in bytes that is taken: ids are kept,
// those of Skydive have 36 bytes.
const maxCaptureID = 256

var (
	errStatsObject   = errors.New("Obj of a stats message is not an object")
	errStatsFields   = errors.New("stats have a field of the wrong type")
	errStatsCapture  = errors.New("stats without CaptureID")
	errStatsLong     = fmt.Errorf("stats have a CaptureID of more than %d bytes", maxCaptureID)
	errStatsNegative = errors.New("stats have a negative number")
)

var statsKeys = keysOf("FlowCount", "FlowDropped", "KernelFlowDropped", "PacketsDropped", "PacketsReceived")

// readStats reads a capture's statistics at i, 0 for an absent Obj. The syntax has
// been checked.
func readStats(b []byte, i int, m *Message) error {
	if i == 0 || b[i] != '{' {
		return errStatsObject
	}
	var v [5]int64 // as in statsKeys
	_, bad, end := readNumbers(b, i, 1, statsKeys, v[:])
	if end < 0 {
		return broken(end)
	}
	s := &m.Stats
	*s = input.CaptureStats{FlowCount: v[0], FlowDropped: v[1], KernelFlowDropped: v[2], PacketsDropped: v[3], PacketsReceived: v[4]}
	text := true
	i, more := open(b, i, '}')
	for more {
		var key []byte
		if key, i = readKey(b, i); string(key) == "CaptureID" {
			s.CaptureID, i, text = readText(b, i, 2)
		} else {
			i = skip(b, i, 2)
		}
		i, more = next(b, i, '}')
	}
	switch {
	case bad != 0 || !text:
		return errStatsFields
	case len(s.CaptureID) == 0:
		return errStatsCapture
	case len(s.CaptureID) > maxCaptureID:
		return errStatsLong
	case s.FlowCount|s.FlowDropped|s.KernelFlowDropped|s.PacketsDropped|s.PacketsReceived < 0:
		return errStatsNegative
	}
	return nil
}
