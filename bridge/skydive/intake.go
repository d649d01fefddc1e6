// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"log/slog"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/decode"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/progress"
)

// intake is the way of messages to the sink, which the links of all analyzers share.
type intake struct {
	sink    Sink
	log     *slog.Logger
	metrics *metrics
	queue   *queue
	buffers buffers
	timing  timing

	counting *progress.Deadline // of the message that is decoded and counted
}

// receive queues a message that has come, or drops it. It does not wait.
func (in *intake) receive(from *traffic, buf *buffer, now time.Time) {
	size := len(buf.b)
	from.watchdog.data(now)
	from.metrics.messages.Inc()
	from.metrics.bytes.Add(float64(size))
	from.metrics.last.Set(float64(now.UnixMilli()) / 1000)
	queued := in.queue.put(raw{buf, from, now})
	from.note(func(s *AnalyzerStatus) {
		s.Messages++
		s.LastMessage = time.UnixMilli(now.UnixMilli())
		if !queued {
			s.Dropped++
		}
	})
	if queued {
		return
	}
	in.buffers.put(buf)
	in.metrics.dropped.Inc()
	from.seldom.Warn("the queue of undecoded messages is full, a message was dropped: its flows catch up at their next update",
		"bytes", size)
}

// decodeQueued decodes the messages of the queue and hands them to the sink, one after
// the other, until the queue is closed and empty.
func (in *intake) decodeQueued() {
	var m decode.Message
	for r := range in.queue.messages {
		in.counting.Busy()
		err := decode.Decode(r.buf.b, &m)
		in.count(r, &m, err)
		in.counting.Idle()
		in.queue.taken(r)
		if !r.buf.pooled() {
			// Memory that is not reused must not stay alive through the slices of the
			// last flows, nor room for as many flows as a huge message has.
			m = decode.Message{}
		}
		in.buffers.put(r.buf)
	}
}

// count hands what is in a message to the sink, and counts what is malformed in it.
func (in *intake) count(r raw, m *decode.Message, err error) {
	if err != nil {
		in.metrics.skipped.WithLabelValues(skippedMessage).Inc()
	}
	if m.Malformed > 0 {
		in.metrics.skipped.WithLabelValues(skippedFlow).Add(float64(m.Malformed))
		if err == nil {
			err = m.FirstError
		}
	}
	if err != nil {
		r.from.seldom.Warn("the analyzer sent what cannot be read; the rest of the message counts",
			"err", err, "flows", len(m.Flows), "malformed_flows", m.Malformed)
	}
	switch m.Kind {
	case decode.Flows:
		if len(m.Flows) == 0 {
			return
		}
		in.metrics.updates.Add(float64(len(m.Flows)))
		r.from.note(func(s *AnalyzerStatus) { s.Updates += uint64(len(m.Flows)) })
		r.from.watchdog.flows(r.at, longestWindow(m.Flows))
		in.sink.Update(m.Flows)
	case decode.Stats:
		r.from.watchdog.stats(r.at)
		in.sink.Stats(m.Stats)
	default:
		if err == nil {
			in.metrics.skipped.WithLabelValues(skippedOther).Inc()
		}
	}
}

// longestWindow is the longest update window among the flows.
func longestWindow(flows []input.Flow) time.Duration {
	var longest int64
	for i := range flows {
		if f := &flows[i]; f.HasLastUpdate && f.LastUpdate.Start > 0 {
			longest = max(longest, f.LastUpdate.Last-f.LastUpdate.Start)
		}
	}
	// Milliseconds of a foreign clock: anything can stand there.
	return time.Duration(min(longest, maxPatience.Milliseconds())) * time.Millisecond
}
