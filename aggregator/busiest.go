// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "slices"

// busiest finds those that carry most among more connections than can be counted
// one by one, in a fixed number of counters: the Space-Saving algorithm (Metwally,
// Agrawal and El Abbadi, 2005). A connection without a counter takes over the lowest
// one and goes on from there, and remembers how much of it was not its own. So what
// a counter says less that error is surely its connection's; and who carries more
// than an m-th of all bytes has one of m counters.
//
// Connections are known by the hash of their label values: should two share one, the
// ranking is off, not a total.
type busiest struct {
	size     int       // counters at most
	counters []counter // a heap, the lowest first
	at       map[uint64]int
}

// counter is the bytes of one connection that is counted in the overflow.
type counter struct {
	id           uint64
	bytes, error uint64
}

// surely is how much the connection has carried at least.
func (c *counter) surely() uint64 { return c.bytes - c.error }

func newBusiest(size int) *busiest { return &busiest{size: size, at: map[uint64]int{}} }

// add adds to what a connection has carried.
func (b *busiest) add(id, bytes uint64) {
	i, ok := b.at[id]
	switch {
	case ok:
		b.counters[i].bytes += bytes
		b.down(i)
	case len(b.counters) < b.size:
		b.counters = append(b.counters, counter{id: id, bytes: bytes})
		b.at[id] = len(b.counters) - 1
		b.up(len(b.counters) - 1)
	default:
		lowest := &b.counters[0]
		delete(b.at, lowest.id)
		*lowest = counter{id: id, bytes: lowest.bytes + bytes, error: lowest.bytes}
		b.at[id] = 0
		b.down(0)
	}
}

// take returns how much a connection has carried at least, and forgets it.
func (b *busiest) take(id uint64) uint64 {
	i, ok := b.at[id]
	if !ok {
		return 0
	}
	taken, last := b.counters[i], len(b.counters)-1
	b.swap(i, last)
	b.counters = b.counters[:last]
	delete(b.at, id)
	if i < last {
		b.up(i)
		b.down(i)
	}
	return taken.surely()
}

// ranked returns the counters of those that surely carried something, the busiest
// first. It ends the use of b.
func (b *busiest) ranked() []counter {
	slices.SortFunc(b.counters, func(x, y counter) int {
		switch sx, sy := x.surely(), y.surely(); {
		case sx > sy || sx == sy && x.id < y.id:
			return -1
		default:
			return 1
		}
	})
	n := 0
	for n < len(b.counters) && b.counters[n].surely() > 0 {
		n++
	}
	return b.counters[:n]
}

func (b *busiest) swap(i, j int) {
	b.counters[i], b.counters[j] = b.counters[j], b.counters[i]
	b.at[b.counters[i].id], b.at[b.counters[j].id] = i, j
}

func (b *busiest) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if b.counters[parent].bytes <= b.counters[i].bytes {
			return
		}
		b.swap(i, parent)
		i = parent
	}
}

func (b *busiest) down(i int) {
	for {
		child := 2*i + 1
		if child+1 < len(b.counters) && b.counters[child+1].bytes < b.counters[child].bytes {
			child++
		}
		if child >= len(b.counters) || b.counters[i].bytes <= b.counters[child].bytes {
			return
		}
		b.swap(i, child)
		i = child
	}
}
