// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// manyDoublings of min_shards are more than any max_shards.
const manyDoublings = 16

// senderCount is how many requests of a group go out at once: minShards, doubled
// for every tick that waits behind this one, at most maxShards, and never more
// than there are requests. So an endpoint that keeps up is asked gently, and one
// that fell behind is served as fast as it is allowed to be. desired is the same
// without maxShards.
func senderCount(minShards, maxShards, waiting, requests int) (n, desired int) {
	desired = minShards << min(waiting, manyDoublings)
	desired = max(1, min(desired, requests))
	return min(desired, max(1, maxShards)), desired
}

// tally counts the samples of a tick that have their final answer; what a repair
// makes is not the tick's own and is not counted.
type tally struct{ samples, stale atomic.Int64 }

func (t *tally) add(count encoded) {
	t.samples.Add(int64(count.samples))
	t.stale.Add(int64(count.stale))
}

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
		defer e.putAway(w)
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
	encoder1 encoder1
	encoder2 encoder2
	plain    []byte
	body     *body
	built    version
	loaded   block // of the request at hand
}

// putAway keeps a workspace for later, but not the block that it sent as it lay.
func (e *endpoint) putAway(w *workspace) {
	if w.body != nil {
		w.body.data = nil
	}
	e.workspaces.Put(w)
}

// forget and holds are about the version of the body that was built last for the
// request at hand, unknownVersion: none.
func (w *workspace) forget() { w.built = unknownVersion }

func (w *workspace) holds() version { return w.built }

// ready makes a body that nobody reads.
func (w *workspace) ready(v version) {
	if w.body == nil || !w.body.idle() {
		w.body = &body{} // a transport still reads the old one
	}
	w.body.version = v
}

// build makes the body of req in a version of the protocol. A whole block in 2.0
// is sent as it lies; else the plain form is encoded and compressed.
func (w *workspace) build(req request, v version) (encoded, error) {
	w.ready(v)
	var err error
	var count encoded
	// The bytes of a block on disk are the body's own: they may be sent as they lie.
	if w.loaded, w.body.raw, err = req.block.load(w.body.raw); err != nil {
		return count, err
	}
	req.block = &w.loaded
	w.built = v
	if v == version2 && req.lies() {
		w.body.data = req.block.data
		return encoded{req.block.samples, req.block.stale}, nil
	}
	if v == version2 {
		w.plain, count, err = w.encoder2.appendRequest(w.plain[:0], req)
	} else {
		w.plain, count, err = w.encoder1.appendRequest(w.plain[:0], req)
	}
	if err != nil {
		return count, err
	}
	w.body.compress(w.plain)
	return count, nil
}

// appendRequests appends the requests that carry blocks, each with at most limit
// samples.
func appendRequests(dst []request, blocks []block, limit int, missing *repair) []request {
	for i := range blocks {
		b := &blocks[i]
		if missing != nil && !missing.all && b.maxStart < missing.from {
			continue // holds only gauges, stale markers or older counters
		}
		for from := 0; from < b.samples; from += limit {
			dst = append(dst, request{block: b, from: from, to: min(from+limit, b.samples), repair: missing})
		}
	}
	return dst
}
