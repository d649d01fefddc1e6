// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"math"
	"math/bits"
)

// distinctBits is the logarithm of a sketch's registers: 4,096 of a byte each, with
// which an estimate is off by 1.6 % as a rule (1.04/√4096), and by less below some
// thousands.
const distinctBits = 12

// distinct estimates how many different hashes it was shown, whatever their number,
// in 4 kB: a HyperLogLog (Flajolet and others, 2007) over 64 bits.
type distinct struct{ registers [1 << distinctBits]uint8 }

// add shows it a hash.
func (d *distinct) add(hash uint64) {
	r := &d.registers[hash>>(64-distinctBits)]
	// The lowest bit set stands in for the end, so that the run of zeros has one.
	if run := uint8(bits.LeadingZeros64(hash<<distinctBits|1<<(distinctBits-1))) + 1; run > *r {
		*r = run
	}
}

// estimate returns about how many different hashes there were in d and o together.
func (d *distinct) estimate(o *distinct) int {
	const m = 1 << distinctBits
	sum, empty := 0.0, 0
	for i := range d.registers {
		r := max(d.registers[i], o.registers[i])
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			empty++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate <= 2.5*m && empty > 0 { // few: the registers that none has hit tell more
		estimate = m * math.Log(m/float64(empty))
	}
	return int(math.Round(estimate))
}
