// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/progress"
	"github.com/skydive-project/skybridge/secrets"
)

// Feed subscribes to analyzers and feeds a [Sink]. Its methods may be called
// concurrently.
type Feed struct {
	sink    Sink
	log     *slog.Logger
	metrics *metrics
	queue   *queue
	buffers buffers
	timing  timing

	counting *progress.Deadline // of the message that is decoded and counted

	reloading sync.Mutex // one Reload at a time

	mu    sync.Mutex
	cfg   *Config
	links map[string]*link // by target's name
	ctx   context.Context  // of Run; nil before it
	ended bool             // Run is over or about to be
	wg    sync.WaitGroup   // the links' goroutines; added to only with mu held and not ended
}

// timing is what tests shorten, and the proxy, which the environment sets once
// for a process.
type timing struct {
	minDelay, maxDelay time.Duration
	peer, pong         time.Duration
	closing            time.Duration // for the close frame of the analyzer
	random             func() float64
	proxy              access.Proxy
}

// NewFeed checks the configuration and registers the metrics. Skipped records
// are counted in skipped by reason, which the caller registers.
func NewFeed(cfg Config, sink Sink, skipped *prometheus.CounterVec, reg prometheus.Registerer, logger *slog.Logger) (*Feed, error) {
	if _, err := cfg.targets(); err != nil {
		return nil, err
	}
	if cfg.Account.Secrets == nil {
		cfg.Account.Secrets = secrets.New()
	}
	q := newQueue(queueBytes(&cfg))
	m, err := newMetrics(reg, skipped, q)
	if err != nil {
		return nil, err
	}
	return &Feed{
		sink: sink, log: logger, metrics: m, queue: q, cfg: &cfg, counting: progress.NewDeadline(),
		links: map[string]*link{},
		timing: timing{
			minDelay: minDelay, maxDelay: maxDelay, peer: peerTimeout, pong: pongTimeout, closing: closeTimeout,
			random: rand.Float64, proxy: http.ProxyFromEnvironment,
		},
	}, nil
}

func queueBytes(cfg *Config) int {
	if cfg.QueueBytes == 0 {
		return defaultQueueBytes
	}
	return cfg.QueueBytes
}

// Run feeds the sink until the context ends. It then closes the connections,
// decodes what is queued and returns when all its goroutines have. It can be
// called once.
func (f *Feed) Run(ctx context.Context) error {
	if err := f.start(ctx); err != nil {
		return err
	}
	decoded := make(chan struct{})
	go func() {
		defer close(decoded)
		f.decodeQueued()
	}()
	<-ctx.Done()
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.wg.Wait()
	f.queue.close()
	<-decoded
	return nil
}

func (f *Feed) start(ctx context.Context) error {
	f.reloading.Lock()
	defer f.reloading.Unlock()
	f.mu.Lock()
	if f.ctx != nil {
		f.mu.Unlock()
		return errors.New("skydive: the feed was run before")
	}
	f.ctx = ctx
	cfg := f.cfg
	f.mu.Unlock()
	targets, err := cfg.targets()
	if err != nil {
		return err
	}
	// The sink knows of every analyzer before the first is up.
	for _, t := range targets {
		f.sink.AnalyzerDown(t.Name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range targets {
		f.startLocked(t, cfg)
	}
	return nil
}

func (f *Feed) startLocked(t access.Target, cfg *Config) {
	l := f.newLink(t, cfg)
	f.links[t.Name] = l
	ctx, cancel := context.WithCancel(f.ctx)
	l.cancel = cancel
	f.wg.Go(func() {
		defer cancel()
		l.run(ctx)
	})
}

// Reload changes the configuration. Analyzers whose settings are the same keep
// their connection, and use what else has changed from their next connect on;
// the others are left, which is waited for, and connected anew. An invalid
// configuration changes nothing.
func (f *Feed) Reload(cfg Config) error {
	targets, err := cfg.targets()
	if err != nil {
		return err
	}
	f.reloading.Lock()
	defer f.reloading.Unlock()

	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return errors.New("skydive: the feed has ended")
	}
	old := f.cfg
	if cfg.Account.Secrets == nil {
		cfg.Account.Secrets = old.Account.Secrets
	}
	f.cfg = &cfg
	f.queue.maxBytes.Store(int64(queueBytes(&cfg)))
	if f.ctx == nil {
		f.mu.Unlock()
		return nil
	}
	same := old.sameConnection(&cfg)
	known := maps.Clone(f.links)
	var leaving []*link
	for name, l := range f.links {
		i := slices.IndexFunc(targets, func(t access.Target) bool { return t.Name == name })
		if i >= 0 && same && targets[i] == l.to {
			l.cfg.Store(&cfg)
			l.watchdog.configure(cfg.SilenceTimeout)
			continue
		}
		leaving = append(leaving, l)
		delete(f.links, name)
		l.cancel()
	}
	f.mu.Unlock()
	for _, l := range leaving {
		<-l.done
	}
	for _, t := range targets {
		if known[t.Name] == nil {
			f.sink.AnalyzerDown(t.Name)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return errors.New("skydive: the feed has ended")
	}
	for _, l := range leaving {
		if !slices.ContainsFunc(targets, func(t access.Target) bool { return t.Name == l.to.Name }) {
			f.metrics.forget(l.to.Name)
			f.sink.AnalyzerGone(l.to.Name)
		}
	}
	for _, t := range targets {
		if f.links[t.Name] == nil {
			f.startLocked(t, &cfg)
		}
	}
	return nil
}

// Subscribed reports whether at least one analyzer is subscribed now.
func (f *Feed) Subscribed() bool {
	return slices.ContainsFunc(f.Status(), func(s AnalyzerStatus) bool { return s.Connected })
}

// Status returns the state of every analyzer, sorted by name.
func (f *Feed) Status() []AnalyzerStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]AnalyzerStatus, 0, len(f.links))
	for _, name := range slices.Sorted(maps.Keys(f.links)) {
		out = append(out, f.links[name].snapshot())
	}
	return out
}
