// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/client"
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

// waits keeps how long requests wait for their answers: the mean, in which the latest
// ones weigh most.
type waits struct{ mean atomic.Int64 } // ns

func (w *waits) add(d time.Duration) {
	for {
		mean := w.mean.Load()
		next := mean + (int64(d)-mean)/8
		if mean == 0 {
			next = int64(d)
		}
		if w.mean.CompareAndSwap(mean, next) {
			return
		}
	}
}

// tally counts the samples of a tick that have their final answer; what a repair
// makes is not the tick's own and is not counted.
type tally struct{ samples, stale atomic.Int64 }

func (t *tally) add(count wire.Count) {
	t.samples.Add(int64(count.Samples))
	t.stale.Add(int64(count.Stale))
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
			e.staff(&g, send)
			req, ok := g.take()
			if !ok {
				return
			}
			if err := e.sendRequest(ctx, t, req, w, done); err != nil {
				g.stop(err)
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
	errs     []error
}

// take returns the next request.
func (g *group) take() (req request, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.requests) == 0 || g.errs != nil {
		return req, false
	}
	req, g.requests = g.requests[0], g.requests[1:]
	return req, true
}

// stop makes an error the end of the group.
func (g *group) stop(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.errs = append(g.errs, err)
}

// staff starts the senders that the rest of a group needs.
func (e *endpoint) staff(g *group, send func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.requests) == 0 || g.errs != nil {
		return
	}
	waiting := max(0, e.cursor.Position().Ticks-1)
	if e.hurry.Load() {
		waiting = manyDoublings
	}
	cfg := &e.settings.Load().cfg
	n, desired := senderCount(cfg.MinShards, cfg.MaxShards, waiting, len(g.requests), time.Duration(e.waits.mean.Load()), e.log.Interval())
	for ; g.senders < n; g.senders++ {
		g.running.Go(send)
	}
	e.senders.Store(int64(g.senders))
	e.desired.Store(int64(max(desired, g.senders)))
}

// workspace is what a sender needs to make a request.
type workspace struct {
	encoder wire.Encoder
	body    *client.Body
	built   wire.Version
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

// forget and holds are about the version of the body that was built last for the
// request at hand, wire.Unknown: none.
func (w *workspace) forget() { w.built = wire.Unknown }

func (w *workspace) holds() wire.Version { return w.built }

// ready makes a body that is not in use.
func (w *workspace) ready(v wire.Version) {
	if w.body == nil || !w.body.Idle() {
		w.body = &client.Body{} // a transport still reads the old one
	}
	w.body.Version = v
}

// build makes the body of req in a version of the protocol. A whole block in 2.0
// is sent as it is.
func (w *workspace) build(req request, v wire.Version) (count wire.Count, err error) {
	w.ready(v)
	// The bytes of a block on disk are the body's own, so they may be sent.
	data, raw, err := req.block.Load(w.body.Raw)
	if w.body.Raw = raw; err != nil {
		return count, err
	}
	w.built = v
	if v == wire.V2 && req.isWholeBlock() {
		w.body.Data = data
		return req.block.Count, nil
	}
	var change func(*wire.Sample) bool
	if req.repair != nil {
		change = req.repair.change
	}
	if w.body.Data, count, err = w.encoder.Encode(w.body.Buffer, v, data, req.from, req.to, change); err == nil {
		w.body.Buffer = w.body.Data
	}
	return count, err
}
