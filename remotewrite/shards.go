// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/golang/snappy"
)

// senderCount is how many requests of a group go out at once: minShards, doubled
// for every tick that waits behind this one, at most maxShards, and never more
// than there are requests. So an endpoint that keeps up is asked gently, and one
// that fell behind is served as fast as it is allowed to be. desired is the same
// without maxShards.
func senderCount(minShards, maxShards, waiting, requests int) (n, desired int) {
	const manyDoublings = 16
	desired = minShards << min(waiting, manyDoublings)
	desired = max(1, min(desired, requests))
	return min(desired, max(1, maxShards)), desired
}

// tally counts the samples of a tick that have their final answer; zeros in
// place of dropped ones are not the tick's own and are not counted.
type tally struct{ samples, stale atomic.Int64 }

// sendGroup sends requests, none of which shares a series with another, through
// n senders, and returns when each has its final answer. On an error, errTooOld
// or the context's, it returns as soon as no request is in flight.
func (e *endpoint) sendGroup(ctx context.Context, t *loggedTick, requests []request, n int, done *tally) error {
	var (
		next    atomic.Int64
		stopped atomic.Bool
		errs    = make([]error, n)
		senders sync.WaitGroup
	)
	send := func(shard int) {
		w := e.workspaces.Get().(*workspace)
		defer func() { e.workspaces.Put(w) }()
		for !stopped.Load() {
			i := int(next.Add(1)) - 1
			if i >= len(requests) {
				return
			}
			if errs[shard] = e.sendRequest(ctx, t, requests[i], w, done); errs[shard] != nil {
				stopped.Store(true)
				return
			}
		}
	}
	for shard := 1; shard < n; shard++ {
		senders.Go(func() { send(shard) })
	}
	send(0)
	senders.Wait()
	return errors.Join(errs...)
}

// workspace is what a sender needs to make a request. The plain form is only
// needed until it is compressed, the body until its answer.
type workspace struct {
	encoder encoder1
	raw     []byte // of a block that lies on disk
	loaded  block
	plain   []byte
	body    *body
}

// build makes the body of req: the plain form is encoded and compressed.
func (w *workspace) build(req request) (encoded, error) {
	if w.body == nil || !w.body.idle() {
		w.body = &body{} // a transport still reads the old one
	}
	var err error
	var count encoded
	if w.loaded, w.raw, err = req.block.load(w.raw); err != nil {
		return count, err
	}
	req.block = &w.loaded
	w.plain, count, err = w.encoder.appendRequest(w.plain[:0], req)
	if err != nil {
		return count, err
	}
	if n := snappy.MaxEncodedLen(len(w.plain)); cap(w.body.data) < n {
		w.body.data = make([]byte, n)
	}
	w.body.data = snappy.Encode(w.body.data[:cap(w.body.data)], w.plain)
	return count, nil
}

// appendRequests appends the requests that carry blocks, each with at most limit
// samples.
func appendRequests(dst []request, blocks []block, limit int, missing *repair) []request {
	for i := range blocks {
		b := &blocks[i]
		if missing != nil && b.maxStart < missing.from {
			continue // holds only gauges, stale markers or older counters
		}
		for from := 0; from < b.samples; from += limit {
			dst = append(dst, request{block: b, from: from, to: min(from+limit, b.samples), repair: missing})
		}
	}
	return dst
}
