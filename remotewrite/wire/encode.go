// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
)

// Encoder makes request bodies of blocks. Its buffers are kept from request to
// request. The zero value is ready.
type Encoder struct {
	reader Reader
	one    encoder1
	two    encoder2
}

// Encode returns the body of a request with the samples from index from up to to of the
// block data, as change makes them where it is not nil: those for which it says false are
// left out. The body is compressed, and byte for byte what Prometheus' Marshal gives
// before that. It is in the memory of dst, overwritten, where it has room there. A block
// that cannot be read, or has fewer samples, is an error that wraps [ErrBlock].
//
// A whole block is a body of 2.0 already.
func (e *Encoder) Encode(dst []byte, v Version, data []byte, from, to int, change func(*Sample) bool) (body []byte, count Count, err error) {
	r := &e.reader
	if err := r.Reset(data); err != nil {
		return nil, count, err
	}
	e.one.begin(len(r.symbols))
	e.two.begin(len(r.symbols))
	for i := range to {
		ok, err := r.Next()
		if err == nil && !ok {
			err = fmt.Errorf("%w: it has fewer than %d series", ErrBlock, to)
		}
		if err != nil {
			return nil, count, err
		}
		if i < from || change != nil && !change(&r.Sample) {
			continue
		}
		if v == V1 {
			err = e.one.add(r)
		} else {
			err = e.two.add(r)
		}
		if err != nil {
			return nil, count, err
		}
		count.add(r.Value)
	}
	plain := e.one.request
	if v == V2 {
		plain = e.two.end()
	}
	return Compress(dst, plain), count, nil
}
