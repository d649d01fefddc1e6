// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"hash/maphash"
	"time"
)

// fold is why traffic is counted in the overflow.
type fold uint8

const (
	kept fold = iota // it is not
	foldMaxSeries
	foldPerNode
	foldTopK
	foldEnd
)

// String returns the bound's name, as metrics have it.
func (f fold) String() string {
	return [...]string{"", "max_series", "max_series_per_node", "top_k"}[f]
}

// foldSpan is how long connections count as folded now, in feed time: one to two of
// it. Live flows are reported once a minute by default.
const foldSpan = 5 * time.Minute

// folds says what is counted in the overflow.
type folds struct {
	seed    maphash.Seed
	reasons [foldEnd]struct {
		bytes       uint64 // since the process began
		now, before distinct
	}
	turned time.Duration // feed time at which now began
}

func newFolds() *folds { return &folds{seed: maphash.MakeSeed()} }

// id returns by what a connection is known whose label values are not kept.
func (f *folds) id(key []byte) uint64 { return maphash.Bytes(f.seed, key) }

// turn forgets what was folded long ago.
func (f *folds) turn(feedNow time.Duration) {
	if feedNow-f.turned < foldSpan {
		return
	}
	f.turned = feedNow
	for i := range f.reasons {
		r := &f.reasons[i]
		r.before, r.now = r.now, distinct{}
	}
}

// connections estimates how many connections are folded for a reason now.
func (f *folds) connections(reason fold) int {
	r := &f.reasons[reason]
	return r.now.estimate(&r.before)
}
