// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"sync"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
)

// decodeLoop is what the goroutines that decode have in common.
type decodeLoop struct {
	desks  *desks
	mu     sync.Mutex // is held until a message that was taken has its number
	taken  uint64
	helped bool // there is a second goroutine
}

func newDecodeLoop() *decodeLoop { return &decodeLoop{desks: newDesks()} }

// decode takes messages from the queue until it is closed and empty. While some wait,
// a second goroutine helps.
func (f *Feed) decode() {
	l := f.decoding
	var helper sync.WaitGroup
	defer helper.Wait()
	for {
		l.mu.Lock()
		r, ok := <-f.queue.messages
		if !ok {
			l.mu.Unlock()
			return
		}
		n := l.number()
		if !l.helped && len(f.queue.messages) > 0 {
			l.helped = true
			helper.Go(func() { f.helpDecode(l) })
		}
		l.mu.Unlock()
		f.handle(l, n, r)
	}
}

// helpDecode takes messages until none waits.
func (f *Feed) helpDecode(l *decodeLoop) {
	for {
		l.mu.Lock()
		r, ok := f.queue.poll()
		if !ok {
			l.helped = false
			l.mu.Unlock()
			return
		}
		n := l.number()
		l.mu.Unlock()
		f.handle(l, n, r)
	}
}

// number numbers the message that was taken.
func (l *decodeLoop) number() uint64 {
	l.taken++
	return l.taken - 1
}

// handle decodes message number n and counts it in its turn, itself or by the other
// goroutine.
func (f *Feed) handle(l *decodeLoop, n uint64, r raw) {
	d := l.desks.of(n)
	d.pulse.Begin()
	d.raw, d.err = r, d.decoder.Decode(r.buf.b, &d.message)
	l.desks.done(n, f.deliver)
}

// deliver hands a decoded message to the sink.
func (f *Feed) deliver(d *desk) {
	f.count(d)
	d.pulse.End()
	r, m := d.raw, &d.message
	f.queue.taken(r)
	if !r.buf.pooled() {
		// Memory that is not reused must not stay alive through the slices of the
		// last flows, nor room for as many flows as a huge message has.
		*m = Message{}
	}
	d.raw = raw{}
	f.buffers.put(r.buf)
}

// count hands what was in a message to the sink, and counts what was not.
func (f *Feed) count(d *desk) {
	r, m, err := d.raw, &d.message, d.err
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
		r.from.watchdog.stats(r.at)
		f.sink.Stats(m.Stats)
	default:
		if err == nil {
			f.metrics.skipped.WithLabelValues(skippedOther).Inc()
		}
	}
}

func (f *Feed) logMalformed(r raw, m *Message, err error) {
	r.from.seldom.Warn("the analyzer sent what cannot be read; the rest of the message counts",
		"err", err, "flows", len(m.Flows), "malformed_flows", m.Malformed)
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
