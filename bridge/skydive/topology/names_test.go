// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestGoneNamesLinger: what is gone keeps its name for its last flows, longer while no analyzer
// answers, and the latest first where there is no room for all.
func TestGoneNamesLinger(t *testing.T) {
	now, known, g := time.UnixMilli(1_800_000_000_000), map[string]string{}, &gone{}
	refresh := func(after time.Duration, keys string, want string) {
		t.Helper()
		table := map[string]string{}
		for key := range strings.FieldsSeq(keys) {
			table[key] = "name of " + key
		}
		now = now.Add(after)
		keep(g, known, table, now, 3)
		known = table
		if got := strings.Join(slices.Sorted(maps.Keys(known)), " "); got != want {
			t.Errorf("%q are known, want %q", got, want)
		}
	}
	refresh(0, "a b", "a b")
	refresh(goneFor, "b", "a b")
	refresh(time.Second, "b", "b")
	refresh(3*goneFor, "c d", "c d") // it was away for too long
	refresh(time.Second, "c", "c d")
	refresh(time.Second, "d e", "c d e")
	refresh(time.Second, "e", "c d e")
	refresh(time.Second, "f g", "e f g")
	refresh(time.Second, "h i j k", "h i j k")
}
