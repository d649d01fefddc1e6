// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"errors"
	"io"
	"math/bits"
	"sync"
)

const (
	// maxMessage is the largest message that is read. The largest seen from a
	// real analyzer had 80,488 bytes (measured); Skydive itself sets no bound.
	maxMessage = 16 << 20

	// smallestBuffer takes a stats message or a flow. Above it there are eight sizes
	// to each doubling, so that less than a ninth of a buffer is empty: the queue
	// counts memory, and its bound is meant for messages.
	smallestBuffer = 1 << 10
	// pooledSize is up to which size buffers are kept for reuse: one rare giant must
	// not keep its memory.
	pooledSize = 1 << 20
	// pooledClasses is the number of those sizes: ten doublings and the smallest.
	pooledClasses = 10*8 + 1
)

// buffer is the memory of one message.
type buffer struct {
	b     []byte
	class int
}

// buffers are pools of message memory by size.
type buffers struct{ pools [pooledClasses]sync.Pool }

// classOf returns the class of the smallest buffer that has room for n bytes.
func classOf(n int) int {
	if n <= smallestBuffer {
		return 0
	}
	doublings := bits.Len(uint(n-1)) - bits.Len(smallestBuffer)
	step := smallestBuffer / 8 << doublings
	return 8*doublings + (n-1)/step - 7
}

// sizeOf returns how many bytes the buffers of a class have room for.
func sizeOf(class int) int { return (8 + class%8) * (smallestBuffer / 8) << (class / 8) }

func (p *buffers) get(class int) *buffer {
	if class < pooledClasses {
		if b, ok := p.pools[class].Get().(*buffer); ok {
			return b
		}
	}
	return &buffer{b: make([]byte, 0, sizeOf(class)), class: class}
}

func (p *buffers) put(b *buffer) {
	if b.pooled() {
		b.b = b.b[:0]
		p.pools[b.class].Put(b)
	}
}

// pooled reports whether the buffer's memory lives on after put.
func (b *buffer) pooled() bool { return b.class < pooledClasses }

// read reads a whole message into a buffer that fits it, by way of scratch, for no
// message says how long it is. Scratch belongs to one connection, the buffer to the
// caller.
func (p *buffers) read(r io.Reader, scratch *[]byte) (*buffer, error) {
	b := (*scratch)[:0]
	for {
		if len(b) == cap(b) {
			if len(b) > maxMessage { // the connection's own limit is lower
				return nil, errTooLarge
			}
			// The extra bytes let a message of maxMessage meet its end without growing.
			b = append(make([]byte, 0, min(max(smallestBuffer, 4*cap(b)), maxMessage+512)), b...)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if cap(b) <= pooledSize {
		*scratch = b
	}
	buf := p.get(classOf(len(b)))
	buf.b = append(buf.b, b...)
	return buf, nil
}

var errTooLarge = errors.New("message too large")
