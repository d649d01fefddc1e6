// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"math"

	"github.com/prometheus/prometheus/model/value"
)

// Sample is one raw sample of a series.
type Sample struct {
	At    int64  // ms
	Bits  uint64 // the value, bit for bit
	Start int64  // start_timestamp of 2.0 in ms, 0 without
}

// NewSample is a value at a time in ms.
func NewSample(at int64, v float64) Sample { return Sample{At: at, Bits: math.Float64bits(v)} }

// Value is the sample's value; a stale marker is a NaN.
func (s Sample) Value() float64 { return math.Float64frombits(s.Bits) }

// Stale says that the sample is a stale marker: the end of its series, which queries
// never return. Any other NaN is a value.
func (s Sample) Stale() bool { return s.Bits == value.StaleNaN }

// Increase is how much a counter grew over samples, which are in order of time: the
// oracle by which the bridge's exactness is judged.
//
// The first sample is a baseline: what the counter held when it was first
// seen is not growth (and is 0 where the series began honestly, so that a
// missing zero shows as missing growth). Every later one adds its difference
// to the one before; a lower one is a reset, after which the counter began at
// 0, so all of it is growth. This is what Prometheus' increase() does, less
// the extrapolation.
//
// Stale markers are passed over, so that the sum is the same over samples from a
// storage, which has them, and from a query, which by PromQL's rules has not.
// The sum can therefore not tell a series that returned above its last value
// from one that continued: a series that returns has to begin with an explicit
// zero.
//
// The sum is exact while the counters are integers and it is below 2^53.
func Increase(samples []Sample) float64 {
	var sum, last float64
	first := true
	for _, s := range samples {
		if s.Stale() {
			continue
		}
		v := s.Value()
		switch {
		case first:
			first = false
		case v < last:
			sum += v
		default:
			sum += v - last
		}
		last = v
	}
	return sum
}
