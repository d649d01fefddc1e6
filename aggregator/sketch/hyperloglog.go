// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package sketch estimates what is too much to be counted: which connections carry the most
// bytes, and how many different values there are. Nothing in it is safe for concurrent use.
package sketch

import (
	"math"
	"math/bits"
)

// hyperLogLogBits is the logarithm of the number of registers: 4,096 of a byte each, for a
// standard error of 1.6 % (1.04/√4096), less below some thousands.
const hyperLogLogBits = 12

// HyperLogLog estimates the number of different hashes that were added, in 4 kB (Flajolet
// and others, 2007), over 64 bits.
type HyperLogLog struct{ registers [1 << hyperLogLogBits]uint8 }

// Add adds a hash.
func (d *HyperLogLog) Add(hash uint64) {
	r := &d.registers[hash>>(64-hyperLogLogBits)]
	// The lowest bit set stands in for the end, so that the run of zeros has one.
	if run := uint8(bits.LeadingZeros64(hash<<hyperLogLogBits|1<<(hyperLogLogBits-1))) + 1; run > *r {
		*r = run
	}
}

// Estimate returns about how many different hashes there were in d and o together.
func (d *HyperLogLog) Estimate(o *HyperLogLog) int {
	const m = 1 << hyperLogLogBits
	sum, empty := 0.0, 0
	for i := range d.registers {
		r := max(d.registers[i], o.registers[i])
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			empty++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate <= 2.5*m && empty > 0 { // few: empty registers estimate better
		estimate = m * math.Log(m/float64(empty))
	}
	return int(math.Round(estimate))
}

// Spread mixes the bits of a sum of hashes (the finalizer of splitmix64): sums differ
// mostly in their low bits, and the estimate needs the high ones.
func Spread(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
