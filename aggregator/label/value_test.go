// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestValidValues(t *testing.T) {
	long := strings.Repeat("a", 300)
	wide := strings.Repeat("é", 150) // 300 bytes; byte 239 is the middle of one
	tests := []struct{ name, value, want string }{
		{"as it is", "10.0.0.1", "10.0.0.1"},
		{"empty", "", ""},
		{"other scripts", "Zürich 東京", "Zürich 東京"},
		{"as long as may be", long[:256], long[:256]},
		{"too long", long, long[:239] + "~ee7717eba7a17e21"},
		{"cut between characters", wide, wide[:238] + "~68f95dee7a64a70d"},
		{"no UTF-8", "a\xffb\xc3", "a\uFFFDb\uFFFD"},
		{"too long once it is UTF-8", strings.Repeat("\xff", 200), strings.Repeat("\uFFFD", 79) + "~b11ac1aa598bae7d"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, changed := appendValue([]byte("before"), test.value)
			if string(got) != "before"+test.want {
				t.Errorf("%q, want %q", got[6:], test.want)
			}
			if changed != (test.value != test.want) {
				t.Errorf("changed: %v", changed)
			}
		})
	}
}

func TestAnyValueIsValid(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		value := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(r, "value")
		got, changed := appendValue(nil, value)
		again, _ := appendValue(nil, string(value))
		if len(got) > MaxValueBytes || !utf8.Valid(got) || string(got) != string(again) || changed == (string(got) == string(value)) {
			r.Fatalf("%q became %q and %q, changed %v", value, got, again, changed)
		}
	})
}
