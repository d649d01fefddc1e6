// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/logging"
)

// link keeps one analyzer connected.
type link struct {
	traffic

	intake  *intake
	to      access.Target
	log     *slog.Logger
	cfg     atomic.Pointer[Config] // read at each connect
	backoff backoff

	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned

	lastReason reason // logged last
	repeats    logging.Limit
}

func newLink(in *intake, to access.Target, cfg *Config) *link {
	log := in.log.With("analyzer", to.Name)
	l := &link{
		traffic: traffic{
			watchdog: newWatchdog(cfg.SilenceTimeout, in.timing.random), metrics: in.metrics.link(to.Name),
			seldom: logging.RateLimited(log), status: AnalyzerStatus{Analyzer: to.Name, Since: time.Now()},
		},
		intake:  in,
		to:      to,
		log:     log,
		backoff: backoff{random: in.timing.random, min: in.timing.minDelay, max: in.timing.maxDelay},
		done:    make(chan struct{}),
	}
	l.cfg.Store(cfg)
	return l
}

func (l *link) setConnected(connected bool, now time.Time) {
	l.note(func(s *AnalyzerStatus) { s.Connected, s.Since = connected, now })
	l.metrics.connected.Set(0)
	if connected {
		l.metrics.connected.Set(1)
		l.lastReason = ""
	}
}

func (l *link) failed(fail *failure, wait time.Duration) {
	now := time.Now()
	l.metrics.reconnects[fail.reason].Inc()
	if fail.reason == reasonTooLarge {
		l.intake.metrics.skipped.WithLabelValues(skippedTooLarge).Inc()
	}
	l.note(func(s *AnalyzerStatus) {
		s.Reconnects++
		s.LastError, s.LastErrorAt = fail.Error(), now
	})

	if fail.reason != l.lastReason {
		l.lastReason = fail.reason
		l.repeats.Reset()
	}
	if notLogged, ok := l.repeats.Allow(); ok {
		l.log.Warn("not subscribed to the analyzer, connecting again",
			"reason", string(fail.reason), "err", fail.err, "retry_in", wait.Round(time.Millisecond), notLogged)
	}
}
