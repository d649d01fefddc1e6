// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// sendRequest sends a request, in pieces where the receiver has found smaller ones
// too large before.
func (e *endpoint) sendRequest(ctx context.Context, t *queue.Tick, req request, w *workspace, done *tally) error {
	for from := req.from; from < req.to; {
		piece := req
		piece.from, piece.to = from, min(req.to, from+e.samplesPerSend())
		taken, err := e.deliver(ctx, t, piece, w, done, &negotiation{})
		if err != nil {
			return err
		}
		e.size.learn(piece.to-piece.from, taken)
		from = piece.to
	}
	return nil
}

// deliver makes a request and sends it, the same bytes each time, until it has its
// final answer. Only where that may be about the version of the protocol, or about the
// request's size, are the same samples sent again in other requests. It returns the
// size of the largest one that was taken.
func (e *endpoint) deliver(ctx context.Context, t *queue.Tick, req request, w *workspace, done *tally, n *negotiation) (taken int, err error) {
	var count wire.Count
	var built wire.Version // of the body
	var pauses backoff
	for attempt := 0; ; attempt++ {
		s, err := e.ready(ctx, t)
		if err != nil {
			return 0, err
		}
		v := e.choose(s, n)
		if built != v {
			if count, err = e.build(ctx, w, req, v); err != nil {
				return 0, err
			}
			if count.Samples == 0 {
				return 0, nil // no counter in the block misses its zero
			}
			attempt, built = 0, v
		}
		began := time.Now()
		a := e.post(ctx, s, w.body, attempt)
		s.metrics.duration.Observe(time.Since(began).Seconds())
		if a.RetryAfter > 0 {
			e.quiet.extend(a.RetryAfter)
		}
		retry := false
		switch a.Verdict {
		case client.Aborted:
			return 0, ctx.Err()
		case client.Delivered:
			e.learnTook(time.Since(began))
			e.settle(s, n, v)
			e.size.took()
			taken = req.to - req.from
		case client.Retry:
			if retry = !e.gaveUpOther(n, t); !retry {
				a = n.refusal
			}
		case client.TooLarge:
			if e.size.worthHalving(count.Samples) {
				return e.deliverHalves(ctx, t, req, w, done)
			}
		case client.NotV2, client.Refused:
			if e.triesOther(s, t, n, v, a) {
				continue
			}
			a = n.tell(a, v, e.spoken.use(s.cfg.ProtobufMessage))
		}
		if e.retriesRefusal(s, a) {
			*n, retry = negotiation{}, true
		}
		if retry {
			wait := pauses.next(s.cfg.MinBackoff, s.cfg.MaxBackoff)
			e.failed(s, count, attempt, a, wait)
			if err := e.pause(ctx, wait, s); err != nil {
				return 0, err
			}
			continue
		}
		s.metrics.bytes.Add(float64(len(w.body.Data)))
		e.reached(t)
		if taken > 0 {
			e.succeeded(s, count)
		} else {
			if n.refusal.Status != 0 {
				e.group.refuse(&n.refusal)
			}
			e.refused(s, t, req, count, len(w.body.Data), a)
		}
		if req.repair == nil {
			done.add(count)
		}
		return taken, nil
	}
}

// build makes the body of a request, whose block may be on a failing disk.
func (e *endpoint) build(ctx context.Context, w *workspace, req request, v wire.Version) (count wire.Count, err error) {
	err = e.cursor.Retry(ctx, queue.DamagedBlock, func() (err error) {
		count, err = w.build(req, v)
		return err
	})
	return count, err
}

// succeeded records a request that the receiver has stored.
func (e *endpoint) succeeded(s *settings, count wire.Count) {
	s.metrics.samples.Add(float64(count.Samples))
	e.group.stored.Store(true)
	e.episode.end()
	e.mu.Lock()
	e.lastSuccess = time.Now()
	e.mu.Unlock()
	if e.failing.CompareAndSwap(true, false) {
		s.logger.Info("receiver accepts samples again")
	}
}

// retriesRefusal says whether what would be a final answer is retried. Then, until it is
// known which version the receiver speaks, each retry may be in both: what is refused for
// now says nothing about that.
func (e *endpoint) retriesRefusal(s *settings, a client.Answer) bool {
	if a.Verdict != client.Refused || !slices.Contains(s.cfg.RetryOnHTTP, a.Status) || !e.episode.retries() {
		return false
	}
	if !e.spoken.proven() {
		e.spoken.askAgain()
	}
	return true
}

// refused records a request that will never be sent again.
// Of none of its samples is known whether they were stored: a receiver of 2.0
// may have taken some of them, but receivers count those in different ways.
func (e *endpoint) refused(s *settings, t *queue.Tick, req request, count wire.Count, bytes int, a client.Answer) {
	s.metrics.samplesFailed.Add(float64(count.Samples))
	s.metrics.refusedBytes.Add(float64(bytes))
	e.recent.add(uint64(count.Samples), 0)
	e.group.refuse(&a)
	if req.repair != nil && req.repair.as == asValue { // the final values of what ended
		e.loseEnds(count.Samples, req.bytesCounted(), reasonRefused)
	}
	e.noteError(a)
	s.seldom.Error("receiver refused samples, they are lost",
		"samples", count.Samples, "first_series", req.firstSeries(), "tick", time.UnixMilli(t.At).UTC(), "err", a.Words, a.RemedyAttr())
}

// failed records an attempt that will be repeated.
func (e *endpoint) failed(s *settings, count wire.Count, attempt int, a client.Answer, wait time.Duration) {
	s.metrics.samplesRetried.Add(float64(count.Samples))
	e.noteError(a)
	if notLogged, ok := e.failures.Allow(); ok {
		e.failing.Store(true) // only what was said is taken back
		attrs := []any{"samples", count.Samples, "attempt", attempt + 1, "retry_in", max(wait, a.RetryAfter), "err", a.Words, a.RemedyAttr(), notLogged}
		if until := e.episode.retriedUntil(); a.Verdict == client.Refused && !until.IsZero() {
			s.logger.Warn("receiver refuses samples, they are retried for 15 minutes", append(attrs, "until", until.UTC())...)
			return
		}
		s.logger.Warn("push failed, will be repeated", attrs...)
	}
}

// learnTook learns how long a request waited for its answer. Of two that end at once one
// may be missing.
func (e *endpoint) learnTook(d time.Duration) {
	mean := e.took.Load()
	if mean == 0 {
		mean = int64(d)
	}
	e.took.Store(mean + (int64(d)-mean)/8)
}

// reached records that something of a tick has its final answer, or that the tick is
// finished: one without samples must not look like a backlog.
func (e *endpoint) reached(t *queue.Tick) {
	for old := e.highestSent.Load(); t.At > old; old = e.highestSent.Load() {
		if e.highestSent.CompareAndSwap(old, t.At) {
			return
		}
	}
}

// deliverHalves delivers a request that was too large, in halves. It returns the size
// of the largest part that was taken.
func (e *endpoint) deliverHalves(ctx context.Context, t *queue.Tick, req request, w *workspace, done *tally) (taken int, err error) {
	first, second := req, req
	first.to = req.from + (req.to-req.from)/2
	second.from = first.to
	for _, half := range [...]request{first, second} {
		n, err := e.deliver(ctx, t, half, w, done, &negotiation{})
		if err != nil {
			return 0, err
		}
		taken = max(taken, n)
	}
	return taken, nil
}
