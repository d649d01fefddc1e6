// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"errors"
	"io"
	"sync"
)

const (
	// maxMessage is the largest message that is read. The largest seen from a
	// real analyzer had 80,488 bytes (measured); Skydive itself sets no bound.
	maxMessage = 16 << 20

	// smallestBuffer takes a stats message or some five flows.
	smallestBuffer = 4 << 10
	bufferClasses  = 7 // each four times the one before: 4 KiB to 16 MiB
	// pooledClasses is how many of them are kept for reuse, up to 1 MiB: one
	// rare giant must not keep its memory.
	pooledClasses = 5
)

// buffer is the memory of one message.
type buffer struct {
	b     []byte
	class int
}

// buffers are pools of message memory by size.
type buffers struct{ pools [pooledClasses]sync.Pool }

func (p *buffers) get(class int) *buffer {
	if class < pooledClasses {
		if b, ok := p.pools[class].Get().(*buffer); ok {
			return b
		}
	}
	// The extra bytes let a message of maxMessage meet its end without growing.
	size := smallestBuffer << (2 * class)
	if class == bufferClasses-1 {
		size = maxMessage + 512
	}
	return &buffer{b: make([]byte, 0, size), class: class}
}

func (p *buffers) put(b *buffer) {
	if b.class < pooledClasses {
		b.b = b.b[:0]
		p.pools[b.class].Put(b)
	}
}

// pooled reports whether the buffer's memory lives on after put.
func (b *buffer) pooled() bool { return b.class < pooledClasses }

// read reads a whole message. The buffer belongs to the caller.
func (p *buffers) read(r io.Reader) (*buffer, error) {
	buf := p.get(0)
	for {
		n, err := r.Read(buf.b[len(buf.b):cap(buf.b)])
		buf.b = buf.b[:len(buf.b)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			p.put(buf)
			return nil, err
		}
		if len(buf.b) < cap(buf.b) {
			continue
		}
		if buf.class == bufferClasses-1 { // the connection's own limit is lower
			p.put(buf)
			return nil, errTooLarge
		}
		larger := p.get(buf.class + 1)
		larger.b = append(larger.b, buf.b...)
		p.put(buf)
		buf = larger
	}
}

var errTooLarge = errors.New("message too large")
