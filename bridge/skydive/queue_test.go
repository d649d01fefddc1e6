// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"
)

// The memory that is queued never passes the bound, but for a single message,
// and what is taken makes room again.
func TestQueueIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 1<<20).Draw(t, "limit")
		q := newQueue(limit)
		var held []int
		sum := func() (n int) {
			for _, c := range held {
				n += c
			}
			return n
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "put") {
				size := rapid.IntRange(1, 1<<19).Draw(t, "size")
				fits := len(held) == 0 || sum()+size <= limit
				if got := q.put(raw{buf: &buffer{b: make([]byte, 0, size)}, at: time.Time{}}); got != fits {
					t.Fatalf("put %d onto %v of %d: %v", size, held, limit, got)
				}
				if fits {
					held = append(held, size)
				}
			} else if len(held) > 0 {
				m := <-q.messages
				q.taken(m)
				held = held[1:]
			}
			if int(q.bytes.Load()) != sum() {
				t.Fatalf("%d bytes, want %d", q.bytes.Load(), sum())
			}
		}
	})
}

func TestQueueIsBoundedInMessages(t *testing.T) {
	q := newQueue(1 << 30)
	m := raw{buf: &buffer{b: make([]byte, 0, 1)}}
	for i := range queueMessages {
		if !q.put(m) {
			t.Fatalf("message %d does not fit", i)
		}
	}
	if q.put(m) {
		t.Error("one too many")
	}
	if q.bytes.Load() != queueMessages {
		t.Errorf("%d bytes", q.bytes.Load())
	}
}

func TestBuffersReadAnySize(t *testing.T) {
	var p buffers
	var scratch []byte
	for _, size := range []int{0, 1, 1023, 1024, 1025, 4096, 80488, pooledSize, pooledSize + 1, maxMessage - 1, maxMessage} {
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		for _, r := range []io.Reader{bytes.NewReader(want), iotest.DataErrReader(bytes.NewReader(want)), iotest.HalfReader(bytes.NewReader(want))} {
			b, err := p.read(r, &scratch)
			if err != nil || !bytes.Equal(b.b, want) {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if b.pooled() != (size <= pooledSize) || cap(scratch) > pooledSize {
				t.Errorf("%d bytes: pooled: %v, and %d bytes of scratch are kept", size, b.pooled(), cap(scratch))
			}
			p.put(b)
		}
	}
	if _, err := p.read(bytes.NewReader(make([]byte, maxMessage+1024)), &scratch); !errors.Is(err, errTooLarge) {
		t.Errorf("a giant: %v", err)
	}
	if _, err := p.read(iotest.ErrReader(io.ErrUnexpectedEOF), &scratch); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken one: %v", err)
	}
}

// TestBufferSizes proves that every message gets the smallest buffer that takes it, and
// that less than a ninth of it is empty.
func TestBufferSizes(t *testing.T) {
	for n := 1; n <= maxMessage; n += 1 + n/100 {
		class := classOf(n)
		size := sizeOf(class)
		if size < n || class > 0 && sizeOf(class-1) >= n || n > smallestBuffer && 9*(size-n) >= size {
			t.Fatalf("%d bytes: class %d of %d bytes", n, class, size)
		}
	}
	if sizeOf(pooledClasses-1) != pooledSize || sizeOf(classOf(maxMessage)) != maxMessage {
		t.Errorf("the largest that are kept have %d bytes, the largest of all %d", sizeOf(pooledClasses-1), sizeOf(classOf(maxMessage)))
	}
}

// TestQueueHoldsMessages proves that the queue's bound is one on messages, whatever
// their size, and that their memory stays within it.
func TestQueueHoldsMessages(t *testing.T) {
	for _, size := range []int{smallestBuffer, 1100, 8 << 10, 80_000, 80_488, 200_000, 1 << 20, 3 << 20, maxMessage} {
		var p buffers
		var scratch []byte
		q := newQueue(defaultQueueBytes)
		message := make([]byte, size)
		held, memory := 0, 0
		for {
			b, err := p.read(bytes.NewReader(message), &scratch)
			if err != nil {
				t.Fatal(err)
			}
			if !q.put(raw{buf: b}) {
				break
			}
			held += len(b.b)
			memory += cap(b.b)
		}
		if least := defaultQueueBytes*8/9 - size; held < least || memory > defaultQueueBytes {
			t.Errorf("messages of %d bytes: %d bytes of them in %d of memory, want at least %d in at most %d", size, held, memory, least, defaultQueueBytes)
		}
	}
}
