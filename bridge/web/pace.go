// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"net/http"
	"time"
)

// pacedBytes is how much a client must accept within limits.chunk. The bound is
// generous: it is there for clients that do not read at all.
const pacedBytes = 16 << 10

// pacedWriter writes an answer that may take longer than the server's
// WriteTimeout: each chunk gets a deadline of its own, and the whole has one.
type pacedWriter struct {
	ctx        context.Context // the request's; a pacedWriter lives no longer
	w          http.ResponseWriter
	control    *http.ResponseController
	chunk      time.Duration
	end        time.Time
	left       int // bytes before the deadline moves again
	controlled bool
}

func newPacedWriter(ctx context.Context, w http.ResponseWriter, chunk time.Duration, end time.Time) *pacedWriter {
	return &pacedWriter{ctx: ctx, w: w, control: http.NewResponseController(w), chunk: chunk, end: end, controlled: true}
}

// Write implements io.Writer. It fails at once when the client has gone.
func (p *pacedWriter) Write(b []byte) (written int, err error) {
	for len(b) > 0 {
		if err := p.ctx.Err(); err != nil {
			return written, err
		}
		if p.left <= 0 {
			p.extend()
		}
		n, err := p.w.Write(b[:min(len(b), p.left)])
		written += n
		p.left -= n
		b = b[n:]
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// extend gives the client time for the next bytes.
func (p *pacedWriter) extend() {
	p.left = pacedBytes
	if !p.controlled {
		return
	}
	deadline := time.Now().Add(p.chunk)
	if deadline.After(p.end) {
		deadline = p.end
	}
	// Not supported only where there is no connection, as in a test.
	p.controlled = p.control.SetWriteDeadline(deadline) == nil
}
