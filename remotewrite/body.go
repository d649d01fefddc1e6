// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// body is the payload of one request, made once and sent as often as it takes.
// An HTTP transport may continue reading a payload after it has returned an error,
// until it closes it, and an attempt may not end at all, so a body knows how many
// readers and attempts it has: only without any may its bytes serve another request.
type body struct {
	data    []byte
	version wire.Version // of the protocol, that the data is a message of
	readers atomic.Int32
	// buffer is the body's own memory; data is in it, or is a block's, which nobody
	// may write to.
	buffer []byte
	// raw is memory for a block that is read from disk.
	raw []byte
}

// open returns a new reader of the body.
func (b *body) open() io.ReadCloser {
	b.readers.Add(1)
	r := &bodyReader{owner: b}
	r.data.Reset(b.data)
	return r
}

// idle says that nobody reads the body any more.
func (b *body) idle() bool { return b.readers.Load() == 0 }

// bodyReader reads a body once. Its lock makes Close wait for a Read under way.
type bodyReader struct {
	mu    sync.Mutex
	data  bytes.Reader
	owner *body // nil once closed
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
