// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/bridge/skydive/decode"
)

// decodeQueued decodes the messages of the queue and hands them to the sink, one after
// the other, until the queue is closed and empty.
func (f *Feed) decodeQueued() {
	var m decode.Message
	for r := range f.queue.messages {
		f.counting.Busy()
		err := decode.Decode(r.buf.b, &m)
		f.count(r, &m, err)
		f.counting.Idle()
		f.queue.taken(r)
		if !r.buf.pooled() {
			// Memory that is not reused must not stay alive through the slices of the
			// last flows, nor room for as many flows as a huge message has.
			m = decode.Message{}
		}
		f.buffers.put(r.buf)
	}
}

// count hands what is in a message to the sink, and counts what is malformed in it.
func (f *Feed) count(r raw, m *decode.Message, err error) {
	if err != nil {
		f.metrics.skipped.WithLabelValues(skippedMessage).Inc()
	}
	if m.Malformed > 0 {
		f.metrics.skipped.WithLabelValues(skippedFlow).Add(float64(m.Malformed))
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
		f.metrics.updates.Add(float64(len(m.Flows)))
		r.from.updates.Add(uint64(len(m.Flows)))
		r.from.watchdog.flows(r.at, longestWindow(m.Flows))
		f.sink.Update(m.Flows)
	case decode.Stats:
		r.from.watchdog.stats(r.at)
		f.sink.Stats(m.Stats)
	default:
		if err == nil {
			f.metrics.skipped.WithLabelValues(skippedOther).Inc()
		}
	}
}

// Overdue returns for how long the message that is being decoded and counted has been so;
// 0: the feed waits for one. Microseconds are usual.
func (f *Feed) Overdue() time.Duration { return f.counting.Overdue() }

// longestWindow is the longest update window among the flows.
func longestWindow(flows []aggregator.Flow) time.Duration {
	var longest int64
	for i := range flows {
		if f := &flows[i]; f.HasLastUpdate && f.LastUpdate.Start > 0 {
			longest = max(longest, f.LastUpdate.Last-f.LastUpdate.Start)
		}
	}
	// Milliseconds of a foreign clock: anything can stand there.
	return time.Duration(min(longest, maxPatience.Milliseconds())) * time.Millisecond
}
