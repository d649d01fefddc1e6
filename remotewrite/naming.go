// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"time"
)

// naming is how an endpoint's series are called from a tick on. A reload takes
// effect for ticks after it only: a backlog keeps the names under which its
// series began.
type naming struct {
	from     uint64    // number of the first tick
	rewriter *rewriter // nil: as in the log
}

// end is the number of the tick that will be appended next.
func (l *Log) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// rename gives other names to the series of ticks numbered from and later.
func (e *endpoint) rename(from uint64, r *rewriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.names); e.names[n-1].from == from {
		e.names = e.names[:n-1]
	}
	e.names = append(e.names, naming{from, r})
}

// rewrite makes of a tick what the endpoint is sent of it, and counts the rest.
func (e *endpoint) rewrite(ctx context.Context, t *loggedTick) (*loggedTick, error) {
	e.mu.Lock()
	for len(e.names) > 1 && e.names[1].from <= t.seq {
		e.names = e.names[1:]
	}
	r := e.names[0].rewriter
	e.mu.Unlock()
	if r == nil || t.broken {
		return t, nil
	}
	var out rewritten
	err := e.cursor.log.retryRead(ctx, damagedBlock, func() (err error) {
		out, err = r.rewrite(t)
		return err
	})
	if err != nil {
		return t, err
	}
	metrics := e.settings.Load().metrics
	for reason, samples := range out.dropped {
		metrics.dropped(samples, 0, reason)
	}
	return out.tick, nil
}

// lost reports a series of which the endpoint is sent nothing.
func (e *endpoint) lost(reason, series, renamed string) {
	cfg := &e.settings.Load().cfg
	if suppressed, ok := e.losses.allow(time.Now()); ok {
		words := map[string]string{
			reasonCollision: "relabelling gives a series the name of another, it is not sent while it lives",
			reasonInvalid:   "relabelling makes no valid series, it is not sent",
		}[reason]
		e.logger.Error(words, "remote_name", cfg.label(), "url", redacted(cfg.URL), "series", series, "relabelled", renamed, "suppressed", suppressed)
	}
}
