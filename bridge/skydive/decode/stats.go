// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"errors"
	"fmt"
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

// readStats reads a capture's statistics at i, 0 for an absent Obj. The syntax has
// been checked.
func readStats(b []byte, i int, m *Message) error {
	if i == 0 || b[i] != '{' {
		return errStatsObject
	}
	s := &m.Stats
	var bad faults // one bit a field, as in a flow
	i, more := open(b, i, '}')
	for more {
		var key []byte
		if key, i = readKey(b, i); i < 0 {
			return broken(i)
		}
		var field *int64
		var bit faults
		switch string(key) {
		case "CaptureID":
			var ok bool
			s.CaptureID, i, ok = readText(b, i, 2)
			bad = bad.with(1<<0, ok)
			i, more = next(b, i, '}')
			continue
		case "FlowCount":
			field, bit = &s.FlowCount, 1<<1
		case "FlowDropped":
			field, bit = &s.FlowDropped, 1<<2
		case "KernelFlowDropped":
			field, bit = &s.KernelFlowDropped, 1<<3
		case "PacketsDropped":
			field, bit = &s.PacketsDropped, 1<<4
		case "PacketsReceived":
			field, bit = &s.PacketsReceived, 1<<5
		}
		if field == nil {
			i = skip(b, i, 2)
		} else {
			var ok bool
			*field, i, ok = readNumber(b, i, 2)
			bad = bad.with(bit, ok)
		}
		i, more = next(b, i, '}')
	}
	switch {
	case bad != 0:
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
