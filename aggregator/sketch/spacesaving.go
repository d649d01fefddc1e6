// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package sketch

import (
	"cmp"
	"slices"
)

// SpaceSaving finds the connections with the most bytes in a fixed number of counters: the
// Space-Saving algorithm (Metwally, Agrawal and El Abbadi, 2005). A connection without a
// counter takes over the lowest one with its value, which is the counter's error. So a
// counter less its error is a lower bound, and a connection with more than an m-th of all
// bytes has one of m counters.
//
// Connections are identified by a hash of their label values; a collision changes the
// ranking, not a total.
type SpaceSaving struct {
	size     int       // counters at most
	counters []Counter // a heap, the lowest first
	at       map[uint64]int
}

// Counter is the bytes of one connection. Error is by how much they may be too many.
type Counter struct {
	ID           uint64
	Bytes, Error uint64
}

// Surely is a lower bound of the connection's bytes.
func (c *Counter) Surely() uint64 { return c.Bytes - c.Error }

// NewSpaceSaving returns a sketch of so many counters.
func NewSpaceSaving(size int) *SpaceSaving { return &SpaceSaving{size: size, at: map[uint64]int{}} }

// Add adds bytes of a connection.
func (b *SpaceSaving) Add(id, bytes uint64) {
	i, ok := b.at[id]
	switch {
	case ok:
		b.counters[i].Bytes += bytes
		b.down(i)
	case len(b.counters) < b.size:
		b.counters = append(b.counters, Counter{ID: id, Bytes: bytes})
		b.at[id] = len(b.counters) - 1
		b.up(len(b.counters) - 1)
	default:
		lowest := &b.counters[0]
		delete(b.at, lowest.ID)
		*lowest = Counter{ID: id, Bytes: lowest.Bytes + bytes, Error: lowest.Bytes}
		b.at[id] = 0
		b.down(0)
	}
}

// Take removes a connection, and returns a lower bound of its bytes.
func (b *SpaceSaving) Take(id uint64) uint64 {
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
	return taken.Surely()
}

// Ranked returns the counters that are surely above 0, the largest first. b cannot be used
// afterwards.
func (b *SpaceSaving) Ranked() []Counter {
	slices.SortFunc(b.counters, func(x, y Counter) int {
		return cmp.Or(cmp.Compare(y.Surely(), x.Surely()), cmp.Compare(x.ID, y.ID))
	})
	n := 0
	for n < len(b.counters) && b.counters[n].Surely() > 0 {
		n++
	}
	return b.counters[:n]
}

// State returns how many counters there are at most, and all, in an order of their own. The
// slice is valid until the next call of another method.
func (b *SpaceSaving) State() (size int, counters []Counter) { return b.size, b.counters }

// Restore returns the sketch of which [SpaceSaving.State] returned size and counters, and takes
// ownership of these. Not ok: they are of none.
func Restore(size int, counters []Counter) (b *SpaceSaving, ok bool) {
	b = &SpaceSaving{size: size, counters: counters, at: map[uint64]int{}}
	for i, c := range counters {
		if c.Error > c.Bytes || i > 0 && counters[(i-1)/2].Bytes > c.Bytes {
			return nil, false
		}
		b.at[c.ID] = i
	}
	return b, len(b.at) == len(counters) && len(counters) <= size
}

func (b *SpaceSaving) swap(i, j int) {
	b.counters[i], b.counters[j] = b.counters[j], b.counters[i]
	b.at[b.counters[i].ID], b.at[b.counters[j].ID] = i, j
}

func (b *SpaceSaving) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if b.counters[parent].Bytes <= b.counters[i].Bytes {
			return
		}
		b.swap(i, parent)
		i = parent
	}
}

func (b *SpaceSaving) down(i int) {
	for {
		child := 2*i + 1
		if child+1 < len(b.counters) && b.counters[child+1].Bytes < b.counters[child].Bytes {
			child++
		}
		if child >= len(b.counters) || b.counters[i].Bytes <= b.counters[child].Bytes {
			return
		}
		b.swap(i, child)
		i = child
	}
}
