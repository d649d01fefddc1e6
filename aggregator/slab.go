// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// none marks the absence of a record where an index is expected.
const none = ^uint32(0)

// slabChunk is how many records a slab allocates at a time: few allocations, and none that
// stalls ingest as doubling a slice of millions would.
const slabChunk = 4096

// slab stores records in chunks, with dense indices: to the garbage collector millions of
// records are a few thousand objects, and a reference takes four bytes. Pointers returned by at
// stay valid until the record is freed.
type slab[T any] struct {
	// Sections of the snapshot that runs; nil: none does.
	section, freeSection *section

	chunks [][]T
	size   uint32 // indices ever handed out
	free   []uint32
	used   int
}

// alloc returns the index of a zeroed record.
func (s *slab[T]) alloc() uint32 {
	s.used++
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	if int(s.size) == len(s.chunks)*slabChunk {
		s.chunks = append(s.chunks, make([]T, slabChunk))
	}
	s.size++
	return s.size - 1
}

// at returns the record with index i, which may be changed: a snapshot that runs encodes it
// first. It is just small enough to be inlined.
func (s *slab[T]) at(i uint32) *T {
	if s.section != nil {
		s.section.saveFirst(i)
	}
	return &s.chunks[i/slabChunk][i%slabChunk]
}

// peek returns the record with index i, which must not be changed.
func (s *slab[T]) peek(i uint32) *T {
	return &s.chunks[i/slabChunk][i%slabChunk]
}

// release zeroes record i, so that it keeps nothing alive, and frees its index.
func (s *slab[T]) release(i uint32) {
	var zero T
	*s.at(i) = zero
	if s.freeSection != nil {
		s.freeSection.saveFirst(uint32(len(s.free)))
	}
	s.free = append(s.free, i)
	s.used--
}

// reach grows a slab that is filled by index, up to i; call reclaim at the end.
func (s *slab[T]) reach(i uint32) {
	if i < s.size {
		return
	}
	for int(i) >= len(s.chunks)*slabChunk {
		s.chunks = append(s.chunks, make([]T, slabChunk))
	}
	s.size = i + 1
}

// place returns the record with index i of a slab that is filled in any order. It allocates
// only the chunk with that record.
func (s *slab[T]) place(i uint32) *T {
	chunk := int(i / slabChunk)
	s.chunks = append(s.chunks, make([][]T, max(0, chunk+1-len(s.chunks)))...)
	if s.chunks[chunk] == nil {
		s.chunks[chunk] = make([]T, slabChunk)
	}
	s.size = max(s.size, i+1)
	return s.peek(i)
}

// isConsistent reports whether each record is either used or free once, and counts those
// that are used.
func (s *slab[T]) isConsistent(used func(*T) bool) bool {
	s.used = 0
	for i := range s.size {
		if used(s.peek(i)) {
			s.used++
		}
	}
	seen := bitset{}
	for _, i := range s.free {
		if i >= s.size || used(s.peek(i)) || !seen.add(i) {
			return false
		}
	}
	return s.used+len(s.free) == int(s.size)
}

// reclaim zeroes and frees the records that are not used, lowest index first.
func (s *slab[T]) reclaim(used func(*T) bool) {
	s.free, s.used = nil, int(s.size)
	for i := s.size; i > 0; i-- {
		if !used(s.at(i - 1)) {
			s.release(i - 1)
		}
	}
}
