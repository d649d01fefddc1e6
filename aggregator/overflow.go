// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"hash/maphash"
	"time"
)

// overflowReason is the bound because of which traffic is counted in the overflow.
type overflowReason uint8

const (
	notOverflow overflowReason = iota
	overflowMaxSeries
	overflowPerNode
	overflowTopK
	overflowReasons
)

// String returns the bound's name, as metrics have it.
func (f overflowReason) String() string {
	return [...]string{"", "max_series", "max_series_per_node", "top_k"}[f]
}

// overflowSpan: connections of the last one to two spans of feed time are estimated as
// those in the overflow now. Live flows are reported once a minute by default.
const overflowSpan = 5 * time.Minute

// overflowStats has what is counted in the overflow, by reason.
type overflowStats struct {
	seed    maphash.Seed
	reasons [overflowReasons]struct {
		bytes       uint64 // since the process began
		now, before hyperLogLog
	}
	rotated time.Duration // feed time at which now began
}

func newOverflowStats() *overflowStats { return &overflowStats{seed: maphash.MakeSeed()} }

// id identifies a connection whose label values are not kept.
func (f *overflowStats) id(key []byte) uint64 { return maphash.Bytes(f.seed, key) }

// rotate ends a span.
func (f *overflowStats) rotate(feedNow time.Duration) {
	if feedNow-f.rotated < overflowSpan {
		return
	}
	f.rotated = feedNow
	for i := range f.reasons {
		r := &f.reasons[i]
		r.before, r.now = r.now, hyperLogLog{}
	}
}

// connections estimates how many connections are in the overflow for a reason now.
func (f *overflowStats) connections(reason overflowReason) int {
	r := &f.reasons[reason]
	return r.now.estimate(&r.before)
}
