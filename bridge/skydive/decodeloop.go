// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"time"

	"github.com/skydive-project/skybridge/aggregator"
)

// decode takes messages from the queue until it is closed and empty.
func (f *Feed) decode() {
	var d Decoder
	var m Message
	for r := range f.queue.messages {
		f.pulse.Begin()
		f.deliver(&d, &m, r)
		f.pulse.End()
		f.queue.taken(r)
		if !r.buf.pooled() {
			// Memory that is not reused must not stay alive through the slices
			// of the last flows.
			clear(m.Flows[:cap(m.Flows)])
			m.Stats = aggregator.CaptureStats{}
		}
		f.buffers.put(r.buf)
	}
}

// deliver decodes one message and hands it to the sink.
func (f *Feed) deliver(d *Decoder, m *Message, r raw) {
	err := d.Decode(r.buf.b, m)
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
		f.logMalformed(r, m, err)
	}
	switch m.Kind {
	case Flows:
		if len(m.Flows) == 0 {
			return
		}
		f.metrics.updates.Add(float64(len(m.Flows)))
		r.from.updates.Add(uint64(len(m.Flows)))
		r.from.watchdog.flows(r.at, longestWindow(m.Flows))
		f.sink.Update(m.Flows)
	case Stats:
		r.from.watchdog.stats(r.at, m.Stats.CaptureID, m.Stats.PacketsReceived)
		f.sink.Stats(m.Stats)
	default:
		if err == nil {
			f.metrics.skipped.WithLabelValues(skippedOther).Inc()
		}
	}
}

func (f *Feed) logMalformed(r raw, m *Message, err error) {
	held, ok := f.badLog.allow(r.at)
	if !ok {
		return
	}
	r.from.log.Warn("the analyzer sent what cannot be read; the rest of the message counts",
		"err", err, "flows", len(m.Flows), "malformed_flows", m.Malformed, notLogged(held))
}

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
