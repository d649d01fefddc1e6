// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"sync/atomic"
	"time"
)

// defaultQueueBytes bounds the memory of undecoded messages. It holds about 80,000 flows,
// some seconds of a busy feed.
const defaultQueueBytes = 64 << 20

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
	maxBytes int64
}

func newQueue(maxBytes int) *queue {
	return &queue{messages: make(chan raw, queueMessages), maxBytes: int64(maxBytes)}
}

// put adds a message, or reports that there is no room. It then still belongs
// to the caller. A single message always fits into an empty queue.
func (q *queue) put(m raw) bool {
	size := int64(cap(m.buf.b))
	if total := q.bytes.Add(size); total > q.maxBytes && total > size {
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
