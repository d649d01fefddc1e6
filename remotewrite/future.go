// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
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
			e.seldom.Warn("samples lie ahead of the clock, which was set back; they wait for their time", "remote_name", s.cfg.label(),
				"tick", time.UnixMilli(t.At).UTC(), "wait", ahead.Round(time.Second))
		}
		if err := e.pause(ctx, min(ahead, aheadLook), s); err != nil {
			return err
		}
	}
}
