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

	intake *intake
	to     access.Target
	delay  time.Duration // before the first attempt
	// reader returns another link that is subscribed to the analyzer which calls itself so,
	// nil for none.
	reader  func(host string) *link
	log     *slog.Logger
	cfg     atomic.Pointer[Config] // read at each connect
	backoff backoff

	cancel context.CancelFunc
	done   chan struct{}                      // closed when run has returned
	leave  atomic.Pointer[context.CancelFunc] // ends the session
	twice  bool                               // the latest session ended because the analyzer took the bridge twice
	left   time.Time                          // when the latest other session ended

	// What the analyzer said of its cluster, under traffic.mu: its peers, and who else
	// answered at its address, and when.
	peers  map[string]bool
	behind map[string]time.Time

	lastReason reason // logged last
	repeats    logging.Limit
}

func newLink(in *intake, to access.Target, cfg *Config, reader func(host string) *link) *link {
	log := in.log.With("analyzer", to.Name)
	l := &link{
		traffic: traffic{
			watchdog: newWatchdog(cfg.SilenceTimeout, in.timing.random), metrics: in.metrics.link(to.Name),
			seldom: logging.RateLimited(log), status: AnalyzerStatus{Analyzer: to.Name, Since: time.Now()},
		},
		intake:  in,
		to:      to,
		reader:  reader,
		peers:   map[string]bool{},
		behind:  map[string]time.Time{},
		log:     log,
		backoff: backoff{random: in.timing.random, min: in.timing.minDelay, max: in.timing.maxDelay},
		done:    make(chan struct{}),
	}
	l.cfg.Store(cfg)
	return l
}

// subscribed notes that the link is subscribed to the analyzer that calls itself host.
func (l *link) subscribed(host string, now time.Time) {
	l.isDistinct()
	l.note(func(s *AnalyzerStatus) { s.Connected, s.Since, s.HostID = true, now, host })
	l.metrics.connected.Set(1)
	l.lastReason = ""
	l.intake.sink.AnalyzerUp(l.to.Name)
}

// unsubscribed notes that it is no longer.
func (l *link) unsubscribed(now time.Time) {
	l.note(func(s *AnalyzerStatus) { s.Connected, s.Since = false, now })
	l.metrics.connected.Set(0)
	l.intake.sink.AnalyzerDown(l.to.Name)
}

// isDuplicate reports whether the analyzer that refused the link because the bridge is
// subscribed already is read by another link, and notes it.
func (l *link) isDuplicate(ctx context.Context) bool {
	q := inquire(l.cfg.Load().Account, l.to)
	defer q.close()
	host, err := q.host(ctx)
	if err != nil {
		return false
	}
	other := l.reader(host)
	if other == nil {
		return false
	}
	former, same := l.snapshot().SameAs, other.to.Name
	l.note(func(s *AnalyzerStatus) { s.HostID, s.SameAs, s.LastError = host, same, "" })
	if former != same {
		l.log.Info("the analyzer is subscribed to by another address: it is read once", "host_id", host, "same_as", same)
		l.forgetCluster()
		l.intake.metrics.remove(l.to.Name)
		l.intake.sink.AnalyzerGone(l.to.Name)
	}
	return true
}

// forgetCluster forgets what the analyzer said of its cluster, which another link asks now.
func (l *link) forgetCluster() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.peers)
	clear(l.behind)
}

// isDistinct notes that the link is for an analyzer of its own again.
func (l *link) isDistinct() {
	if l.snapshot().SameAs == "" {
		return
	}
	l.note(func(s *AnalyzerStatus) { s.SameAs = "" })
	l.metrics = l.intake.metrics.link(l.to.Name)
	l.intake.sink.AnalyzerDown(l.to.Name)
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
