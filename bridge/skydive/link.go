// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/logging"
)

// link keeps one analyzer connected.
type link struct {
	feed     *Feed
	to       access.Target
	log      *slog.Logger
	cfg      atomic.Pointer[Config] // read at each connect
	watchdog *watchdog
	backoff  backoff
	metrics  linkMetrics

	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned

	lastMessage atomic.Int64 // ms, 0: none yet
	messages    atomic.Uint64
	updates     atomic.Uint64
	dropped     atomic.Uint64

	lastReason reason // logged last
	repeats    logging.Limit
	seldom     *slog.Logger // for what can repeat without end

	mu     sync.Mutex
	status AnalyzerStatus // without what the atomics hold
}

// AnalyzerStatus is the state of one analyzer's feed.
type AnalyzerStatus struct {
	Analyzer    string    // its URL without query
	Connected   bool      // subscribed now
	Since       time.Time // when Connected became what it is
	LastMessage time.Time // zero: none yet
	Messages    uint64    // data messages, dropped ones included
	Updates     uint64    // flow records that were decoded
	Dropped     uint64    // messages that were dropped because the queue was full
	Reconnects  uint64
	LastError   string // why it had to connect again last; no secrets
	LastErrorAt time.Time
}

func (f *Feed) newLink(to access.Target, cfg *Config) *link {
	l := &link{
		feed:     f,
		to:       to,
		log:      f.log.With("analyzer", to.Name),
		watchdog: newWatchdog(cfg.SilenceTimeout, f.timing.random),
		backoff:  backoff{random: f.timing.random, min: f.timing.minDelay, max: f.timing.maxDelay},
		metrics:  f.metrics.link(to.Name),
		done:     make(chan struct{}),
		status:   AnalyzerStatus{Analyzer: to.Name, Since: time.Now()},
	}
	l.seldom = logging.RateLimited(l.log)
	l.cfg.Store(cfg)
	return l
}

// run connects again and again until the context ends.
func (l *link) run(ctx context.Context) {
	defer close(l.done)
	for {
		fail, lasted := l.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := l.backoff.after(fail.reason, lasted, time.Now())
		l.failed(fail, wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// connect is one attempt and, if it succeeds, its session. It returns how long
// the session lasted.
func (l *link) connect(ctx context.Context) (*failure, time.Duration) {
	cfg := l.cfg.Load()
	sub, fail := dial(ctx, cfg, l.to, l.feed.timing.proxy)
	if fail != nil {
		return fail, 0
	}
	begin := time.Now()
	l.watchdog.begin(begin)
	l.setConnected(true, begin)
	captures := "all"
	if len(cfg.CaptureIDs) > 0 {
		captures = strings.Join(cfg.CaptureIDs, ",")
	}
	l.log.Info("subscribed to the analyzer", "captures", captures)
	l.log.Debug("what the analyzer was asked for", "namespaces", cfg.namespaces())
	l.feed.sink.AnalyzerUp(l.to.Name)

	fail = l.session(ctx, sub)

	end := time.Now()
	l.setConnected(false, end)
	l.feed.sink.AnalyzerDown(l.to.Name)
	return fail, end.Sub(begin)
}

func (l *link) setConnected(connected bool, now time.Time) {
	l.mu.Lock()
	l.status.Connected, l.status.Since = connected, now
	l.mu.Unlock()
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
		l.feed.metrics.skipped.WithLabelValues(skippedTooLarge).Inc()
	}
	l.mu.Lock()
	l.status.Reconnects++
	l.status.LastError, l.status.LastErrorAt = fail.Error(), now
	l.mu.Unlock()

	if fail.reason != l.lastReason {
		l.lastReason = fail.reason
		l.repeats.Reset()
	}
	if notLogged, ok := l.repeats.Allow(); ok {
		l.log.Warn("not subscribed to the analyzer, connecting again",
			"reason", string(fail.reason), "err", fail.err, "retry_in", wait.Round(time.Millisecond), notLogged)
	}
}

// received takes over a message that came just now. It never waits.
func (l *link) received(buf *buffer, now time.Time) {
	size := len(buf.b)
	l.watchdog.data(now)
	l.messages.Add(1)
	l.lastMessage.Store(now.UnixMilli())
	l.metrics.messages.Inc()
	l.metrics.bytes.Add(float64(size))
	l.metrics.last.Set(float64(now.UnixMilli()) / 1000)
	if l.feed.queue.put(raw{buf, l, now}) {
		return
	}
	l.feed.buffers.put(buf)
	l.feed.metrics.dropped.Inc()
	l.dropped.Add(1)
	l.seldom.Warn("the queue of undecoded messages is full, a message was dropped: its flows catch up at their next update",
		"bytes", size)
}

func (l *link) snapshot() AnalyzerStatus {
	l.mu.Lock()
	s := l.status
	l.mu.Unlock()
	s.Messages, s.Updates, s.Dropped = l.messages.Load(), l.updates.Load(), l.dropped.Load()
	if ms := l.lastMessage.Load(); ms != 0 {
		s.LastMessage = time.UnixMilli(ms)
	}
	return s
}
