// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// manyDoublings of min_shards are more than any max_shards.
const manyDoublings = 16

// senderCount is how many requests of a group go out at once: minShards, doubled
// for every tick that waits behind this one, or as many as the rest of the group needs
// to be done within half of a push interval, or less where ticks wait; at most
// maxShards, and never more than there are requests. So an endpoint that keeps up is
// asked gently, and one that fell behind, or is far away, is served as fast as it has
// to be. took is how long a request waits for its answer, as a rule. desired is the
// same without maxShards.
func senderCount(minShards, maxShards, waiting, requests int, took, pushInterval time.Duration) (n, desired int) {
	desired = minShards << min(waiting, manyDoublings)
	if budget := pushInterval / 2 / time.Duration(waiting+1); budget > 0 {
		desired = max(desired, int((time.Duration(requests)*took+budget-1)/budget))
	}
	desired = max(1, min(desired, requests))
	return min(desired, max(1, maxShards)), desired
}

// sendGroup sends requests, none of which shares a series with another, and returns
// when each has its final answer. On an error, errTooOld or the context's, it returns
// as soon as no request is in flight. With each request that is done it looks at how
// many senders the rest of them needs.
func (e *endpoint) sendGroup(ctx context.Context, t *queue.Tick, requests []request, done *tally) error {
	g := group{requests: requests}
	var send func()
	send = func() {
		w := e.workspaces.Get().(*workspace)
		defer e.putAway(w)
		for {
			req, ok := e.take(&g, send)
			if !ok {
				return
			}
			if err := e.sendRequest(ctx, t, req, w, done); err != nil {
				g.mu.Lock()
				g.errs = append(g.errs, err)
				g.mu.Unlock()
				return
			}
		}
	}
	g.senders = 1
	send()
	g.running.Wait()
	return errors.Join(g.errs...)
}

// group is requests that are being sent.
type group struct {
	running sync.WaitGroup // senders, the first one aside

	mu       sync.Mutex
	requests []request // that no shard has taken
	senders  int       // that were started
	errs     []error   // the end of the group
}

// take returns the next request of a group, and starts the senders that the rest needs.
func (e *endpoint) take(g *group, send func()) (req request, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.requests) == 0 || g.errs != nil {
		return req, false
	}
	waiting := max(0, e.cursor.Position().Ticks-1)
	if e.hurry.Load() {
		waiting = manyDoublings
	}
	cfg := &e.settings.Load().cfg
	n, desired := senderCount(cfg.MinShards, cfg.MaxShards, waiting, len(g.requests), time.Duration(e.took.Load()), e.log.Interval())
	for ; g.senders < n; g.senders++ {
		g.running.Go(send)
	}
	e.senders.Store(int64(g.senders))
	e.desired.Store(int64(max(desired, g.senders)))
	req, g.requests = g.requests[0], g.requests[1:]
	return req, true
}

// putAway keeps a workspace for later, but not the block whose data it sent.
func (e *endpoint) putAway(w *workspace) {
	switch {
	case w.body == nil:
	case w.body.Idle():
		w.body.Data = nil
	default:
		w.body = nil // an attempt that was left to itself still has it
	}
	e.workspaces.Put(w)
}

// probe finds out whether the receiver speaks 2.0, where that is due, by sending
// it the first few samples of the group. It returns the group without them.
func (e *endpoint) probe(ctx context.Context, t *queue.Tick, group []request, done *tally) ([]request, error) {
	if !e.spoken.due(e.settings.Load().cfg.ProtobufMessage) || group[0].repair != nil || !e.newest() {
		return group, nil
	}
	small := group[0]
	small.to = min(small.to, small.from+probeSamples)
	w := e.workspaces.Get().(*workspace)
	defer e.putAway(w)
	if _, err := e.deliver(ctx, t, small, w, done, &negotiation{ask: wire.V2, fresh: true}); err != nil {
		return group, err
	}
	if group[0].from = small.to; group[0].from == group[0].to {
		group = group[1:]
	}
	return group, nil
}

// sendBarrier sends a group whole.
func (e *endpoint) sendBarrier(ctx context.Context, t *queue.Tick, group []request, done *tally) error {
	e.requests = group
	e.group.reset()
	defer clear(group) // so that idle buffers do not keep blocks alive
	if len(group) == 0 {
		return nil
	}
	// Before anything of this group goes out, it must be on disk that the one before
	// is done: a resend would come after newer samples of its series.
	e.cursor.Commit()
	if err := e.awaitItsTime(ctx, t); err != nil {
		return err
	}
	group, err := e.probe(ctx, t, group, done)
	if err != nil || len(group) == 0 {
		return err
	}
	return e.sendGroup(ctx, t, group, done)
}
