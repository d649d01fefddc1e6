// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

// maxSpare is how many pages and compressors are kept for the next scrapes: a
// pair of Prometheis find theirs, and a burst's others go back to the heap.
const maxSpare = 2

// spare keeps things for reuse. Unlike a sync.Pool it is not emptied by the
// garbage collector, which mostly runs between two scrapes, so that each would
// make its compressor (0.8 MB) anew. It may be used from many goroutines.
type spare[T any] struct{ kept chan T }

func newSpare[T any]() spare[T] { return spare[T]{make(chan T, maxSpare)} }

// get returns a kept thing, or what create makes.
func (s spare[T]) get(create func() T) T {
	select {
	case v := <-s.kept:
		return v
	default:
		return create()
	}
}

// put keeps v if there is room.
func (s spare[T]) put(v T) {
	select {
	case s.kept <- v:
	default:
	}
}
