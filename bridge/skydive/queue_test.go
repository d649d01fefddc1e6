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
	for _, size := range []int{0, 1, 4095, 4096, 4097, 80488, 1 << 20, 1<<20 + 1, maxMessage} {
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		for _, r := range []io.Reader{bytes.NewReader(want), iotest.DataErrReader(bytes.NewReader(want)), iotest.HalfReader(bytes.NewReader(want))} {
			b, err := p.read(r)
			if err != nil || !bytes.Equal(b.b, want) {
				t.Fatalf("%d bytes: %v", size, err)
			}
			p.put(b)
		}
	}
	if _, err := p.read(bytes.NewReader(make([]byte, maxMessage+1024))); !errors.Is(err, errTooLarge) {
		t.Errorf("a giant: %v", err)
	}
	if _, err := p.read(iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken one: %v", err)
	}
}

// A giant's memory is not kept.
func TestGiantsAreNotPooled(t *testing.T) {
	var p buffers
	b := p.get(pooledClasses)
	if b.pooled() || !p.get(pooledClasses-1).pooled() {
		t.Error("the wrong sizes are pooled")
	}
	p.put(b)
	if again := p.get(pooledClasses); again == b {
		t.Error("kept")
	}
}
