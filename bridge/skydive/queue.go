// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"sync/atomic"
	"time"
)

// queueMessages bounds the number of undecoded messages. With the usual bound in bytes
// that is reached first, however small they are.
const queueMessages = defaultQueueBytes / smallestBuffer

// raw is a message as it came.
type raw struct {
	buf  *buffer
	from *traffic
	at   time.Time
}

// queue holds undecoded messages from all analyzers, bounded by number and by
// the memory they hold. Putting never waits. Any number of goroutines may put
// until close.
type queue struct {
	messages chan raw
	bytes    atomic.Int64
	maxBytes atomic.Int64
}

func newQueue(maxBytes int) *queue {
	q := &queue{messages: make(chan raw, queueMessages)}
	q.maxBytes.Store(int64(maxBytes))
	return q
}

// put adds a message, or reports that there is no room. It then still belongs
// to the caller. A single message always fits into an empty queue.
func (q *queue) put(m raw) bool {
	size := int64(cap(m.buf.b))
	if total := q.bytes.Add(size); total > q.maxBytes.Load() && total > size {
		q.bytes.Add(-size)
		return false
	}
	select {
	case q.messages <- m:
		return true
	default:
		q.bytes.Add(-size)
		return false
	}
}

// taken says that a message taken from the channel is done with.
func (q *queue) taken(m raw) { q.bytes.Add(-int64(cap(m.buf.b))) }

// close ends the channel after the messages in it. Nothing may be put after it.
func (q *queue) close() { close(q.messages) }
