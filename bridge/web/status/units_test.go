// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package status

import "testing"

func TestUnits(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(-1234567), "-1,234,567"},
		{size(0), "0 B"}, {size(0.04), "0.04 B"}, {size(999), "999 B"}, {size(999.5), "1.00 kB"}, {size(1234), "1.23 kB"},
		{size(12345), "12.3 kB"}, {size(99950), "100 kB"}, {size(1e9), "1.00 GB"}, {size(1 << 63), "9.22 EB"}, {size(1e22), "10000 EB"},
		{room(0), "0 B"}, {room(1023), "1023 B"}, {room(1023.5), "1.00 KiB"}, {room(1 << 20), "1.00 MiB"}, {room(10 << 30), "10.0 GiB"}, {room(1e9), "954 MiB"},
		{room(1e22), "8674 EiB"}, {speed(1234567), "1.23 MB/s"}, {digits(342.5), "343"}, {digits(7.30), "7.3"}, {digits(10), "10"}, {digits(100), "100"},
		{roundTrip(456), "0.46 µs"}, {roundTrip(456000), "456 µs"}, {roundTrip(10_100_000), "10.1 ms"}, {roundTrip(2_500_000_000), "2.5 s"},
		{span(-3), "0 s"}, {span(119.9), "119 s"}, {span(120), "2 min"}, {span(7200), "2 h"}, {span(3 * 86400), "3 d"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
	for _, tc := range []struct{ now, limit, want int }{{1, 0, 0}, {1, 3, 33}, {5, 3, 100}, {-1, 3, 0}} {
		if got := share(int64(tc.now), int64(tc.limit)); got != tc.want {
			t.Errorf("share of %d in %d is %d", tc.now, tc.limit, got)
		}
	}
}

func TestVisible(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"plain", "plain"},
		{"naïve ✓ 中文 עברית", "naïve ✓ 中文 עברית"},
		{"a\u202eb", `a\u{202e}b`},
		{"a\u200b\u2066\x00\x1b[31m\ue000", `a\u{200b}\u{2066}\u{0}\u{1b}[31m\u{e000}`},
		{"two\nlines\u2028", `two\u{a}lines\u{2028}`},
		{"no\xffutf", "no\ufffdutf"},
		{"<b>&\"'", "<b>&\"'"}, // the template's part
	} {
		if got := visible(tc.text); got != tc.want {
			t.Errorf("%q is shown as %q, want %q", tc.text, got, tc.want)
		}
	}
	if got := visibleLines("two\nli\u202enes\n"); got != "two\nli\\u{202e}nes\n" {
		t.Errorf("%q", got)
	}
}
