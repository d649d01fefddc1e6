// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"slices"
)

// spaceSaving finds the connections with the most bytes in a fixed number of counters: the
// Space-Saving algorithm (Metwally, Agrawal and El Abbadi, 2005). A connection without a
// counter takes over the lowest one with its value, which is the counter's error. So a
// counter less its error is a lower bound, and a connection with more than an m-th of all
// bytes has one of m counters.
//
// Connections are identified by a hash of their label values; a collision changes the
// ranking, not a total.
type spaceSaving struct {
	size     int       // counters at most
	counters []counter // a heap, the lowest first
	at       map[uint64]int
}

// counter is the bytes of one connection that is counted in the overflow.
type counter struct {
	id           uint64
	bytes, error uint64
}

// surely is a lower bound of the connection's bytes.
func (c *counter) surely() uint64 { return c.bytes - c.error }

func newSpaceSaving(size int) *spaceSaving { return &spaceSaving{size: size, at: map[uint64]int{}} }

// add adds bytes of a connection.
func (b *spaceSaving) add(id, bytes uint64) {
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

// take removes a connection, and returns a lower bound of its bytes.
func (b *spaceSaving) take(id uint64) uint64 {
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

// ranked returns the counters that are surely above 0, the largest first. b cannot be used
// afterwards.
func (b *spaceSaving) ranked() []counter {
	slices.SortFunc(b.counters, func(x, y counter) int {
		return cmp.Or(cmp.Compare(y.surely(), x.surely()), cmp.Compare(x.id, y.id))
	})
	n := 0
	for n < len(b.counters) && b.counters[n].surely() > 0 {
		n++
	}
	return b.counters[:n]
}

func (b *spaceSaving) swap(i, j int) {
	b.counters[i], b.counters[j] = b.counters[j], b.counters[i]
	b.at[b.counters[i].id], b.at[b.counters[j].id] = i, j
}

func (b *spaceSaving) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if b.counters[parent].bytes <= b.counters[i].bytes {
			return
		}
		b.swap(i, parent)
		i = parent
	}
}

func (b *spaceSaving) down(i int) {
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
