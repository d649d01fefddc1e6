// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// Body is the payload of one request, made once and sent as often as it takes.
// An HTTP transport may continue reading a payload after it has returned an error,
// until it closes it, and an attempt may not end at all, so a body knows how many
// readers and attempts it has: only without any may its bytes serve another request.
type Body struct {
	Data    []byte
	Version wire.Version // of the protocol, that the data is a message of
	readers atomic.Int32
	// Buffer is the body's own memory; Data is in it, or is a block's, which must not
	// be written to.
	Buffer []byte
	// Raw is memory for a block that is read from disk.
	Raw []byte
}

// open returns a new reader of the body.
func (b *Body) open() io.ReadCloser {
	b.readers.Add(1)
	r := &bodyReader{owner: b}
	r.data.Reset(b.Data)
	return r
}

// Hold keeps the body from being idle until Release.
func (b *Body) Hold() { b.readers.Add(1) }

// Release ends a Hold.
func (b *Body) Release() { b.readers.Add(-1) }

// Idle reports whether no attempt and no transport reads the body any more.
func (b *Body) Idle() bool { return b.readers.Load() == 0 }

// bodyReader reads a body once. Its lock makes Close wait for a Read under way.
type bodyReader struct {
	mu    sync.Mutex
	data  bytes.Reader
	owner *Body // nil once closed
}

var errBodyClosed = errors.New("request body is closed")

func (r *bodyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owner == nil {
		return 0, errBodyClosed
	}
	return r.data.Read(p)
}

func (r *bodyReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owner != nil {
		r.data.Reset(nil)
		r.owner.readers.Add(-1)
		r.owner = nil
	}
	return nil
}
