// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"slices"
	"time"
)

// goneFor is how long a name outlives what it named: the last flows of what is gone are
// reported at the next update, and end with flow.expire.
const goneFor = 10 * time.Minute

// gone is what had a name and is gone.
type gone struct {
	last map[string]time.Time // the latest refresh that had it
	at   time.Time            // the latest refresh
}

// keep adds to the names that there are now those of what is gone, for a while, as long as
// there are not more than that many.
func keep[V any](g *gone, was, now map[string]V, at time.Time, most int) {
	last := map[string]time.Time{}
	var keys []string
	for key := range was {
		if _, ok := now[key]; ok {
			continue
		}
		seen, ok := g.last[key]
		if !ok {
			seen = g.at
		}
		if at.Sub(seen) <= goneFor {
			last[key] = seen
			keys = append(keys, key)
		}
	}
	if room := max(0, most-len(now)); len(keys) > room { // the latest stay
		slices.SortFunc(keys, func(x, y string) int { return last[y].Compare(last[x]) })
		for _, key := range keys[room:] {
			delete(last, key)
		}
	}
	for key := range last {
		now[key] = was[key]
	}
	g.last, g.at = last, at
}
