// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "github.com/skydive-project/skybridge/input"

// counts are the four cumulative numbers of a flow or a connection.
type counts struct {
	bytes, packets [2]uint64 // by direction: A to B (initiator to target), B to A
}

func (c *counts) isZero() bool { return *c == counts{} }

func (c *counts) totalBytes() uint64 { return c.bytes[0] + c.bytes[1] }

// add adds d.
func (c *counts) add(d *counts) {
	for i := range c.bytes {
		c.bytes[i] += d.bytes[i]
		c.packets[i] += d.packets[i]
	}
}

// within reports whether each number is at most limit.
func (c *counts) within(limit uint64) bool {
	return max(c.bytes[0], c.bytes[1], c.packets[0], c.packets[1]) <= limit
}

// summed returns c with both directions added into the first.
func (c counts) summed() counts {
	return counts{
		bytes:   [2]uint64{c.bytes[0] + c.bytes[1]},
		packets: [2]uint64{c.packets[0] + c.packets[1]},
	}
}

// counted returns the numbers of a Skydive metric, negative ones as 0: NetFlow sources
// report some in LastUpdateMetric.
func counted(m *input.Metric) counts {
	n := func(v int64) uint64 { return uint64(max(v, 0)) }
	return counts{
		bytes:   [2]uint64{n(m.ABBytes), n(m.BABytes)},
		packets: [2]uint64{n(m.ABPackets), n(m.BAPackets)},
	}
}

// advance raises c to the cumulative numbers in m, field by field, and returns by how
// much. A number below that in c is of a late update: it adds nothing, and stale is true.
func (c *counts) advance(m counts) (delta counts, stale bool) {
	step := func(have *uint64, seen uint64) (d uint64) {
		if seen < *have {
			stale = true
			return 0
		}
		d, *have = seen-*have, seen
		return d
	}
	for i := range c.bytes {
		delta.bytes[i] = step(&c.bytes[i], m.bytes[i])
		delta.packets[i] = step(&c.packets[i], m.packets[i])
	}
	return delta, stale
}

// minus returns c less o, whose numbers are at most those of c.
func (c counts) minus(o counts) counts {
	for i := range c.bytes {
		c.bytes[i] -= o.bytes[i]
		c.packets[i] -= o.packets[i]
	}
	return c
}

// atMost returns c with each number lowered to that of m where it is above.
func (c counts) atMost(m counts) counts {
	for i := range c.bytes {
		c.bytes[i] = min(c.bytes[i], m.bytes[i])
		c.packets[i] = min(c.packets[i], m.packets[i])
	}
	return c
}

// raisedTo returns c with each number raised to that of m where it is below.
func (c counts) raisedTo(m counts) counts {
	for i := range c.bytes {
		c.bytes[i] = max(c.bytes[i], m.bytes[i])
		c.packets[i] = max(c.packets[i], m.packets[i])
	}
	return c
}

// swapped returns c as it is with A and B exchanged.
func (c counts) swapped() counts {
	return counts{
		bytes:   [2]uint64{c.bytes[1], c.bytes[0]},
		packets: [2]uint64{c.packets[1], c.packets[0]},
	}
}
