// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import "testing"

func TestCutRune(t *testing.T) {
	for _, tc := range []struct {
		s    string
		want int
	}{
		{"", 0}, {"a", 0}, {"é", 0}, {"é"[:1], 1}, {"日"[:2], 2}, {"a日"[:2], 1}, {"🜛"[:3], 3}, {"🜛", 0},
		{"\x80", 0}, {"\x80\x80\x80\x80", 0}, {"\xff", 0},
	} {
		if got := cutRune(tc.s); got != tc.want {
			t.Errorf("cutRune(%q) = %d, want %d", tc.s, got, tc.want)
		}
	}
}
