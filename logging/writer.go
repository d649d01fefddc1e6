// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package logging keeps the log from harming the process: what is logged never waits
// for a reader (see [Writer]), and what can repeat without end is rate-limited (see
// [RateLimited]).
package logging

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

// maxPending bounds the bytes that wait to be written: some 5,000 lines.
const maxPending = 1 << 20

// Writer writes lines to a destination and never waits for it: for a logger and standard error,
// which can be a pipe whose reader stopped reading. Lines that exceed the buffer, or that the
// destination refuses, are dropped and counted. All methods may be called concurrently; Dropped
// and Flush also on nil.
type Writer struct {
	to io.Writer

	mu      sync.Mutex
	pending []byte        // whole lines, not handed to the destination yet
	idle    chan struct{} // closed when all was written; nil: nothing is being written
	dropped uint64
	said    uint64 // of dropped, how many the log has reported
	report  *slog.Logger
}

// NewWriter returns a writer to a destination, of which each write is one or more
// whole lines.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Report sets a logger that writes here, to log how many lines were dropped as soon as lines can
// be written again.
func (w *Writer) Report(logger *slog.Logger) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report = logger
}

// Write takes whole lines and does not retain the slice. It always succeeds.
func (w *Writer) Write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending)+len(lines) > maxPending {
		w.drop(lines)
		return len(lines), nil
	}
	w.pending = append(w.pending, lines...)
	if w.idle == nil {
		w.idle = make(chan struct{})
		go w.drain()
	}
	return len(lines), nil
}

// drop counts lines that are not written. The caller holds mu.
func (w *Writer) drop(lines []byte) { w.dropped += uint64(bytes.Count(lines, []byte{'\n'})) }

// drain writes what is pending until there is nothing more. It is not waited for: a destination
// that blocks holds it until the process ends.
func (w *Writer) drain() {
	var batch []byte
	for {
		w.mu.Lock()
		if len(w.pending) == 0 {
			close(w.idle)
			w.idle = nil
			w.mu.Unlock()
			return
		}
		batch, w.pending = w.pending, batch[:0]
		w.mu.Unlock()
		n, err := w.to.Write(batch)

		w.mu.Lock()
		if err != nil {
			w.drop(batch[n:])
		}
		report, unsaid := w.report, w.dropped-w.said
		if err != nil || report == nil || len(w.pending) > maxPending/2 {
			unsaid = 0 // later, when there is room for it
		}
		w.said += unsaid
		w.mu.Unlock()
		if unsaid > 0 {
			report.Warn("the log could not be written for a while; lines are missing from it", "lines", unsaid)
		}
	}
}

// Dropped returns how many lines were dropped.
func (w *Writer) Dropped() uint64 {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Flush waits until all lines were written, for as long as patience at most.
func (w *Writer) Flush(patience time.Duration) {
	if w == nil {
		return
	}
	w.mu.Lock()
	idle := w.idle
	w.mu.Unlock()
	if idle == nil {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}
