// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "testing"

// TestParseUUID proves that every number has one text only, and all else is text.
func TestParseUUID(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "9": 9, "a": 10, "f": 15, "10": 16, "7a": 0x7a, "84bf327591bf171c": 0x84bf327591bf171c, "ffffffffffffffff": 1<<64 - 1} {
		if n, ok := parseUUID([]byte(text)); !ok || n != want {
			t.Errorf("%s: %x, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "00", "01", "A", "g", "/", ":", "`", "-1", "1 ", "\xff", "84bf327591bf171c0", "8559e2ab-0429-5426"} {
		if n, ok := parseUUID([]byte(text)); ok {
			t.Errorf("%q is %x", text, n)
		}
	}
}
