// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skydive-project/skybridge/logging"
	"github.com/skydive-project/skybridge/progress"
	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/secrets"
)

// endpoint carries the log to one receiver: tick after tick, in each the zeros
// before the rest, and condenses of ticks that are too old. It shares nothing with
// other endpoints but the log and idle buffers, so however slow it is, it costs
// them nothing.
type endpoint struct {
	id         string
	hash       queue.Hash // of id
	logger     *slog.Logger
	seldom     *slog.Logger     // for what can repeat without end
	now        func() time.Time // of day
	log        *queue.Log
	cursor     *queue.Cursor
	deadline   *progress.Deadline // of the next step
	workspaces *sync.Pool         // of *workspace
	settings   atomic.Pointer[settings]

	// spoken is which version the receiver speaks.
	spoken spoken
	// size is how large requests may be, after one was too large for the receiver.
	size sizeLimit
	// quiet is the receiver's Retry-After.
	quiet quietTime
	// waits is how long it takes the receiver to answer.
	waits waits
	// senders is the size of the group now or last sent.
	senders, desired atomic.Int64
	hurry            atomic.Bool  // the process ends: as many senders as allowed
	plain            *rewriter    // changes nothing
	highestSent      atomic.Int64 // time of the newest tick with an answer, ms
	requests         []request    // of that group, reused
	metadataSent     time.Time    // the last attempt
	named            []named      // what gives series the names of the ticks at hand
	pastRead         bool         // the first of them was made

	// group is what was answered to the group under way, recent what was refused and
	// lost lately.
	group  outcome
	recent recent

	failures logging.Limit
	failing  atomic.Bool

	mu          sync.Mutex // for what follows
	lastSuccess time.Time
	lastError   string
	lastErrorAt time.Time
	lastRemedy  string

	cancel  context.CancelFunc
	stopped chan struct{} // closed when run has returned
}

// settings is what a reload can change while the endpoint runs.
type settings struct {
	cfg     EndpointConfig
	client  poster
	metrics *endpointMetrics
	// attempts has a token for each attempt that has not ended.
	attempts chan struct{}
	// replaced is closed when newer settings are in force, so that a request
	// that waits for its retry tries them at once.
	replaced chan struct{}
}

// run sends until ctx ends.
func (e *endpoint) run(ctx context.Context) {
	for {
		e.deadline.Idle()
		err := e.cursor.Await(ctx)
		e.deadline.Busy()
		if err != nil {
			return
		}
		t, gap, err := e.cursor.Take(ctx)
		if err != nil {
			return
		}
		var done tally
		if t.Condensed != nil {
			err = e.sendCondensed(ctx, t, &done)
		} else if t, err = e.rewrite(ctx, t); err == nil {
			err = e.sendTick(ctx, t, gap, &done)
		}
		switch {
		case ctx.Err() != nil:
			return // the tick stays held: it is not finished
		case errors.Is(err, errOutOfWindow):
			e.cursor.Condense(done.samples.Load())
			continue
		case err != nil:
			e.giveUp(t, err, &done)
		default:
			e.settings.Load().metrics.reached(t.At)
		}
		valuesRefused := t.Condensed == nil && err == nil && e.group.refused.Load() // they were its last group
		e.cursor.Done(e.refusedAfter(t), valuesRefused)
		e.account()
		e.sendMetadata(ctx, t)
	}
}

// sendTick sends both groups of a tick. Every sample of it has its final answer
// when the error is nil.
func (e *endpoint) sendTick(ctx context.Context, t *queue.Tick, gap *queue.Gap, done *tally) error {
	if t.Broken {
		return wire.ErrBlock
	}
	limit := e.samplesPerSend()
	zeros := appendRequests(e.requests[:0], t.Zeros, limit, nil)
	if gap != nil {
		missing := &repair{from: gap.From, before: gap.Before, at: gap.At}
		// In the same group: no counter has a zero of its own and a missing one.
		zeros = appendRequests(zeros, t.Values, limit, missing)
		if t.FinalsAt != 0 {
			zeros = appendRequests(zeros, t.Ends, limit, missing)
		}
	}
	if err := e.sendBarrier(ctx, t, zeros, done); err != nil {
		return err
	}
	if e.group.refusedWhole() {
		return errRefused
	}
	e.cursor.Answered(queue.StepZeros)

	if t.FinalsAt != 0 {
		finals := appendRequests(e.requests[:0], t.Ends, limit, &repair{all: true, as: asValue, at: t.FinalsAt})
		if err := e.sendBarrier(ctx, t, finals, done); err != nil {
			return err
		}
		e.cursor.Answered(queue.StepFinals)
	}
	values := appendRequests(e.requests[:0], t.Values, limit, nil)
	return e.sendBarrier(ctx, t, values, done)
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

// samplesPerSend is how many samples a request carries at most.
func (e *endpoint) samplesPerSend() int { return e.size.limit(e.settings.Load().cfg.MaxSamplesPerSend) }

// deliver makes a request and sends it, the same bytes each time, until it has its
// final answer. Only where that may be about the version of the protocol, or about the
// request's size, are the same samples sent again in other requests. It returns the
// size of the largest one that was taken.
func (e *endpoint) deliver(ctx context.Context, t *queue.Tick, req request, w *workspace, done *tally, n *negotiation) (taken int, err error) {
	var count wire.Count
	w.forget()
	pauses := backoff{}
	for attempt := 0; ; attempt++ {
		s, err := e.ready(ctx, t)
		if err != nil {
			return 0, err
		}
		v := e.choose(s, n)
		if w.holds() != v {
			if count, err = e.build(ctx, w, req, v); err != nil {
				return 0, err
			}
			if count.Samples == 0 {
				return 0, nil // no counter in the block misses its zero
			}
			attempt = 0
		}
		began := time.Now()
		a := e.post(ctx, s, w.body, attempt)
		s.metrics.attempted(time.Since(began))
		switch a.Verdict {
		case client.Aborted:
			return 0, ctx.Err()
		case client.Delivered:
			e.waits.add(time.Since(began))
			e.settle(s, n, v)
			e.size.took()
			taken = req.to - req.from
		case client.Retry:
			pauses.minimum, pauses.maximum = s.cfg.MinBackoff, s.cfg.MaxBackoff
			wait := pauses.next()
			e.failed(s, count, attempt, a, wait)
			if e.gaveUpOther(n, t) {
				a = n.refusal
				break
			}
			if err := e.pause(ctx, wait, s); err != nil {
				return 0, err
			}
			continue
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
		s.metrics.answered(t.At, len(w.body.Data))
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

// ready waits until the receiver may be sent what is of a tick, and returns the
// settings that are in force then.
func (e *endpoint) ready(ctx context.Context, t *queue.Tick) (*settings, error) {
	s, err := e.awaitQuiet(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.awaitItsTime(ctx, t); err != nil {
		return nil, err
	}
	return s, e.tooOld(t, s.cfg.SampleAgeLimit)
}

// build makes the body of a request, whose block may be on a failing disk.
func (e *endpoint) build(ctx context.Context, w *workspace, req request, v wire.Version) (count wire.Count, err error) {
	err = e.cursor.Retry(ctx, queue.DamagedBlock, func() (err error) {
		count, err = w.build(req, v)
		return err
	})
	return count, err
}

// pause waits, or until other settings are in force.
func (e *endpoint) pause(ctx context.Context, d time.Duration, s *settings) error {
	e.account()
	e.deadline.Set(d)
	return pause(ctx, d, s.replaced)
}

// awaitQuiet waits until the receiver may be asked, and returns the settings
// that are in force then.
func (e *endpoint) awaitQuiet(ctx context.Context) (*settings, error) {
	for {
		s := e.settings.Load()
		left := e.quiet.left()
		if left == 0 {
			return s, ctx.Err()
		}
		if err := e.pause(ctx, left, s); err != nil {
			return nil, err
		}
	}
}

// succeeded records a request that the receiver has stored.
func (e *endpoint) succeeded(s *settings, count wire.Count) {
	s.metrics.samples.Add(float64(count.Samples))
	e.group.stored.Store(true)
	e.mu.Lock()
	e.lastSuccess = time.Now()
	e.mu.Unlock()
	if e.failing.CompareAndSwap(true, false) {
		e.logger.Info("receiver accepts samples again", "remote_name", s.cfg.label(), "url", secrets.URL(s.cfg.URL))
	}
}

// refused records a request that will never be sent again.
// Of none of its samples is known whether they were stored: a receiver of 2.0
// may have taken some of them, but receivers count those in different ways.
func (e *endpoint) refused(s *settings, t *queue.Tick, req request, count wire.Count, bytes int, a client.Answer) {
	s.metrics.samplesFailed.Add(float64(count.Samples))
	s.metrics.refusedBytes.Add(float64(bytes))
	e.recent.add(uint64(count.Samples), 0)
	e.group.refuse(&a)
	e.loseFinals(req, count)
	e.noteError(a)
	e.seldom.Error("receiver refused samples, they are lost", "remote_name", s.cfg.label(), "url", secrets.URL(s.cfg.URL),
		"samples", count.Samples, "first_series", firstSeries(req), "tick", time.UnixMilli(t.At).UTC(), "err", a.Words, a.RemedyAttr())
}

// failed records an attempt that will be repeated.
func (e *endpoint) failed(s *settings, count wire.Count, attempt int, a client.Answer, wait time.Duration) {
	s.metrics.samplesRetried.Add(float64(count.Samples))
	if a.RetryAfter > 0 {
		e.quiet.extend(a.RetryAfter)
	}
	e.noteError(a)
	if notLogged, ok := e.failures.Allow(); ok {
		e.failing.Store(true) // only what was said is taken back
		e.logger.Warn("push failed, will be repeated", "remote_name", s.cfg.label(), "url", secrets.URL(s.cfg.URL),
			"samples", count.Samples, "attempt", attempt+1, "retry_in", max(wait, a.RetryAfter), "err", a.Words, a.RemedyAttr(), notLogged)
	}
}

// account counts what has become of ticks in the log.
func (e *endpoint) account() {
	o, metrics := e.cursor.Outcome(), e.settings.Load().metrics
	metrics.condensedSamples.Add(float64(o.Condensed))
	for reason, loss := range o.Lost {
		metrics.dropped(int(loss.Samples), int(loss.Stale), reason)
		if loss.Series > 0 {
			e.loseEnds(int(loss.Series), loss.Bytes, reason)
		}
	}
}

// giveUp counts what is left of a tick that cannot be sent.
func (e *endpoint) giveUp(t *queue.Tick, err error, done *tally) {
	samples, stale := t.Samples-int(done.samples.Load()), t.Stale-int(done.stale.Load())
	reason := queue.ReasonTooOld
	switch {
	case errors.Is(err, errRefused):
		reason = reasonRefused
		e.failing.Store(true) // the log says when it is over
		e.recent.add(uint64(max(0, samples)), 0)
	case !errors.Is(err, errTooOld):
		reason = queue.ReasonUnreadable
	}
	e.cursor.GiveUp(samples, stale, reason)
	s := e.settings.Load()
	e.seldom.Error("gave up a tick", "remote_name", s.cfg.label(), "url", secrets.URL(s.cfg.URL),
		"tick", time.UnixMilli(t.At).UTC(), "samples", samples, "err", err)
}

// hasStopped says that nothing will be sent any more.
func (e *endpoint) hasStopped() bool {
	select {
	case <-e.stopped:
		return true
	default:
		return false
	}
}

func (e *endpoint) noteError(a client.Answer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lastError, e.lastErrorAt, e.lastRemedy = a.Words, time.Now(), a.Remedy()
}
