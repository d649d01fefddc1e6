// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import "math"

// staleMarker is the NaN that ends a series.
const staleMarker uint64 = 0x7ff0000000000002

// Sample is one raw sample of a series.
type Sample struct {
	At    int64  // ms
	Bits  uint64 // the value, bit for bit
	Start int64  // start_timestamp of 2.0 in ms, 0 without
}

// Value is the sample's value; a stale marker is a NaN.
func (s Sample) Value() float64 { return math.Float64frombits(s.Bits) }

// Stale says that the sample is a stale marker.
func (s Sample) Stale() bool { return s.Bits == staleMarker }

// Increase is what a counter increased by over samples, in order of time, with
// resets: a value below the one before it counts whole. The first value is where
// counting starts. Stale markers are no values, as PromQL sees none.
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
