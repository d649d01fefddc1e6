// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/queue"
)

const (
	// aheadTolerance is how far ahead of the clock a tick may lie to be sent: half
	// of what Prometheus and Mimir accept (10 minutes, measured).
	aheadTolerance = 5 * time.Minute
	// aheadLook is how often a clock that is behind is looked at: it may be set.
	aheadLook = 5 * time.Second
	// aheadSaid is the least wait that is logged: a backlog's ticks wait for their time
	// one after the other.
	aheadSaid = time.Minute
)

// awaitItsTime waits until the clock is about where the tick was sampled. A tick
// lies ahead of it if the clock was wrong then and has been set back since.
// Receivers would refuse it now, and what they refuse is lost; they take it when its
// time has come. Only what would be lost with the process goes out at its end
// whatever the clock says.
func (e *endpoint) awaitItsTime(ctx context.Context, t *queue.Tick) error {
	for said := false; ; said = true {
		ahead := time.UnixMilli(t.At).Sub(e.now()) - aheadTolerance
		if ahead <= 0 || (e.hurry.Load() && !e.log.Durable()) {
			return ctx.Err()
		}
		s := e.settings.Load()
		if !said && ahead > aheadSaid {
			s.seldom.Warn("samples lie ahead of the clock, which was set back; they wait for their time",
				"tick", time.UnixMilli(t.At).UTC(), "wait", ahead.Round(time.Second))
		}
		if err := e.pause(ctx, min(ahead, aheadLook), s); err != nil {
			return err
		}
	}
}

var (
	// errTooOld ends the sending of what is not wanted any more.
	errTooOld = errors.New("tick is too old")
	// errOutOfWindow ends the sending of what the receiver would not accept any
	// more: it is condensed, or gets another time.
	errOutOfWindow = errors.New("older than the backlog window")
)

// tooOld says why what is held is not worth sending any more, nil: it is. The
// log's bound and the endpoint's window go by the newest tick; limit goes by the
// clock, as sample_age_limit does in Prometheus. What is given up by limit or the
// log's bound is counted, and counters that began in it get a zero later
// (cursor.go).
func (e *endpoint) tooOld(t *queue.Tick, limit time.Duration) error {
	toSend, toKeep := e.cursor.Expired(t)
	switch {
	case toKeep, limit > 0 && e.now().Sub(time.UnixMilli(t.At)) > limit:
		return errTooOld
	case toSend:
		return errOutOfWindow
	}
	return nil
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
