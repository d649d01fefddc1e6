// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

// Sample is a value as it lies in the storage: T in milliseconds, V possibly
// the stale marker.
type Sample struct {
	T int64
	V float64
}

// Stale tells whether the sample is a stale marker: the end of its series,
// which queries never return. (Any other NaN is a value.)
func (s Sample) Stale() bool { return value.IsStaleNaN(s.V) }

// Series is samples in order of time under their labels, __name__ included.
type Series struct {
	Labels  labels.Labels
	Samples []Sample
}

// ResetAwareSum is how much a counter grew over samples, which are in order of
// time: the oracle by which the bridge's exactness is judged.
//
// The first sample is a baseline: what the counter held when it was first
// seen is not growth (and is 0 where the series began honestly, so that a
// missing zero shows as missing growth). Every later one adds its difference
// to the one before; a lower one is a reset, after which the counter began at
// 0, so all of it is growth. This is what Prometheus' increase() does, less
// the extrapolation.
//
// Stale markers are passed over, so that the sum is the same over RawSeries of
// a Server, which has them, and of a Client, which by PromQL's rules has not.
// The sum can therefore not tell a series that returned above its last value
// from one that continued: a series that returns has to begin with an explicit
// zero. Incarnations tells whether it did.
//
// The sum is exact while the counters are integers and it is below 2^53.
func ResetAwareSum(samples []Sample) float64 {
	var sum, last float64
	seen := false
	for _, s := range samples {
		switch {
		case s.Stale():
			continue
		case !seen:
			seen = true
		case s.V < last:
			sum += s.V
		default:
			sum += s.V - last
		}
		last = s.V
	}
	return sum
}

// Incarnation is one life of a counter, from its first sample to its stale
// marker or to the last sample before a reset.
type Incarnation struct {
	// Samples are its values, without the marker.
	Samples []Sample
	// Ended tells whether a stale marker ended it, at EndedAt.
	Ended   bool
	EndedAt int64
	// Markers is how many stale markers stand at its end: 1 as a rule.
	Markers int
}

// FromZero tells whether it began with an explicit zero, as DESIGN.md asks of
// every counter that a bridge begins.
func (i Incarnation) FromZero() bool { return len(i.Samples) > 0 && i.Samples[0].V == 0 }

// Incarnations splits a counter's raw samples, stale markers included, where
// the counter ended (a marker) or was reset (a value below the one before).
// Markers before the first value are left out.
func Incarnations(samples []Sample) []Incarnation {
	var lives []Incarnation
	for _, s := range samples {
		n := len(lives)
		if s.Stale() {
			if n == 0 {
				continue
			}
			life := &lives[n-1]
			if !life.Ended {
				life.Ended, life.EndedAt = true, s.T
			}
			life.Markers++
			continue
		}
		if n == 0 || lives[n-1].Ended || s.V < lives[n-1].Samples[len(lives[n-1].Samples)-1].V {
			lives = append(lives, Incarnation{})
			n++
		}
		lives[n-1].Samples = append(lives[n-1].Samples, s)
	}
	return lives
}
