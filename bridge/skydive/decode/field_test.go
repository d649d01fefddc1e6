// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"strings"
	"testing"
)

// TestField proves that each key is read wherever it stands in the order, however
// it is written, and however much follows.
func TestField(t *testing.T) {
	names := keysOf("A", "UUID", "Network", "NetworkA", "TrackingIDs1", "RawPacketsCaptured")
	for want := range names {
		name := strings.Trim(names[want], `":`)
		escaped := `"\u00` + "4" + string("0123456789ABCDEF"[name[0]&15]) + name[1:] + `":`
		if name[0] >= 'P' {
			escaped = strings.Replace(escaped, "u004", "u005", 1)
		}
		for after := unknown; after < len(names); after++ {
			for _, written := range []string{names[want], `"` + name + `" : `, names[want] + "  ", escaped} {
				for _, rest := range []string{"0", "0,", `0, "more": 1}`} {
					got, pos := readField([]byte(written+rest), 0, names, after)
					if got != want || pos != len(written) {
						t.Errorf("%s after %d: field %d at %d, want %d at %d", written+rest, after, got, pos, want, len(written))
					}
				}
			}
		}
	}
	for _, other := range []string{`"B":0`, `"a":0`, `"UUI":0`, `"UUIDs":0`, `"":0`, `"RawPacketsCapturee":0`, `"TrackingIDs2":0`, `"X234567890123456789012345678901":0`} {
		if got, pos := readField([]byte(other), 0, names, unknown); got != unknown || pos != len(other)-1 {
			t.Errorf("%s: field %d at %d", other, got, pos)
		}
	}
	for _, broken := range []string{``, `"`, `"UUID`, `"UUID"`, `"UUID" 0`, `UUID:0`, `"RawPacketsCaptured"`} {
		if _, pos := readField([]byte(broken), 0, names, unknown); pos >= 0 {
			t.Errorf("%s: read up to %d", broken, pos)
		}
	}
}
