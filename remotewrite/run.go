// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// run sends until ctx ends.
func (e *endpoint) run(ctx context.Context) {
	for {
		t, err := e.cursor.Take(ctx)
		if err != nil {
			return
		}
		var done tally
		if t.Condensed != nil {
			err = e.sendCondensed(ctx, t, &done)
		} else if t, err = e.rewrite(ctx, t); err == nil {
			err = e.sendTick(ctx, t, &done)
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
			e.reached(t)
		}
		valuesRefused := t.Condensed == nil && err == nil && e.group.refused.Load() // they were its last group
		e.cursor.Done(e.refusedAfter(t), valuesRefused)
		e.account()
		e.sendMetadata(ctx, t)
	}
}

// sendTick sends both groups of a tick. Every sample of it has its final answer
// when the error is nil.
func (e *endpoint) sendTick(ctx context.Context, t *queue.Tick, done *tally) error {
	if t.Broken {
		return wire.ErrBlock
	}
	limit := e.samplesPerSend()
	zeros := appendRequests(e.requests[:0], t.Zeros, limit, nil)
	if gap := t.Gap; gap != nil {
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

// errRefused is why a tick is given up whose zeros were all refused.
var errRefused = errors.New("the receiver refused the first samples of all of its counters: they start again with the next tick, what ends before the receiver accepts is lost")

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
	e.settings.Load().seldom.Error("gave up a tick",
		"tick", time.UnixMilli(t.At).UTC(), "samples", samples, "err", err)
}
