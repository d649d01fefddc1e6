// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package skydive is the analyzers' side of the bridge: it subscribes to their
// flow feeds, decodes what they send and hands it to a [Sink].
//
// A [Feed] keeps one connection to each analyzer. Readers put raw messages into
// one bounded queue and never wait: an analyzer whose subscriber does not read
// stalls for everybody. One goroutine decodes them and calls the sink, in the order
// of the queue. What the queue has no room for is dropped and counted, and Skydive's
// cumulative metrics make up for it at each flow's next update.
//
// Skydive's own client is not used: it hides HTTP status codes, has no
// read limit nor backoff, and its package brings the server's dependencies
// along. Its server is the peer in the tests.
package skydive

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/logging"
	"github.com/skydive-project/skybridge/progress"
)

// Feed subscribes to analyzers and feeds a [Sink]. Its methods may be called
// concurrently.
type Feed struct {
	intake

	cluster cluster

	reloading sync.Mutex // one Reload at a time; guards what follows up to mu
	cfg       *Config
	addresses *access.Addresses
	ctx       context.Context // of Run; nil before it
	ended     bool            // Run is about to be over
	changed   chan struct{}   // names are to be looked up now
	seldom    *slog.Logger    // for what can repeat without end
	wg        sync.WaitGroup  // the links' goroutines; added to only while not ended

	mu       sync.Mutex
	links    map[string]*link // by target's name; changed only with reloading held, too
	failures []access.Failure // of the latest lookups
	failedAt time.Time
}

// NewFeed checks the configuration and registers the metrics. Skipped records
// are counted in skipped by reason, which the caller registers.
func NewFeed(cfg Config, sink Sink, skipped *prometheus.CounterVec, reg prometheus.Registerer, logger *slog.Logger) (*Feed, error) {
	addresses, err := cfg.addresses()
	if err != nil {
		return nil, err
	}
	q := newQueue(defaultQueueBytes)
	f := &Feed{
		intake:  intake{sink: sink, log: logger, queue: q, counting: progress.NewDeadline(), timing: defaultTiming()},
		cluster: cluster{log: logger}, cfg: &cfg, addresses: addresses, links: map[string]*link{},
		changed: make(chan struct{}, 1), seldom: logging.RateLimited(logger),
	}
	f.metrics = newMetrics(reg, skipped, q, func() int { return len(f.cluster.known()) })
	return f, nil
}

// Run feeds the sink until the context ends. It then closes the connections,
// decodes what is queued and returns when all its goroutines have. It can be
// called once.
func (f *Feed) Run(ctx context.Context) error {
	f.reloading.Lock()
	if f.ctx != nil {
		f.reloading.Unlock()
		return errors.New("skydive: the feed was run before")
	}
	f.ctx = ctx
	f.connect(false)
	f.reloading.Unlock()
	f.wg.Go(func() { f.observe(ctx) })
	decoded := make(chan struct{})
	go func() {
		defer close(decoded)
		f.decodeQueued()
	}()
	<-ctx.Done()
	f.reloading.Lock()
	f.ended = true
	f.reloading.Unlock()
	f.wg.Wait()
	f.queue.close()
	<-decoded
	return nil
}

// Reload changes the configuration. Analyzers whose settings are the same keep
// their connection, and use what else has changed from their next connect on;
// the others are left, which is waited for, and connected again. An invalid
// configuration changes nothing.
func (f *Feed) Reload(cfg Config) error {
	addresses, err := cfg.addresses()
	if err != nil {
		return err
	}
	f.reloading.Lock()
	defer f.reloading.Unlock()
	if f.ended {
		return errors.New("skydive: the feed has ended")
	}
	addresses.Adopt(f.addresses)
	old := f.cfg
	f.cfg, f.addresses = &cfg, addresses
	f.setFailures(nil) // those of names that are gone; the others fail again
	if f.ctx != nil {
		f.connect(old.sameConnection(&cfg))
		select {
		case f.changed <- struct{}{}:
		default:
		}
	}
	return nil
}

// connect makes the links those of the configuration. Links that are there stay where
// same says that a connection would be made as they were.
func (f *Feed) connect(same bool) {
	targets, beyond := f.addresses.Targets()
	if beyond > 0 {
		f.seldom.Warn("there are more analyzers than can be subscribed to", "subscribed", access.MaxAnalyzers, "left_out", beyond)
	}
	target := func(name string) int {
		return slices.IndexFunc(targets, func(t access.Target) bool { return t.Name == name })
	}
	var leaving []*link
	for name, l := range f.links {
		// An address that its name does not have any more is left once it is lost.
		i := target(name)
		vanished := i < 0 && f.addresses.Has(l.to) && l.snapshot().Connected
		if same && (vanished || i >= 0 && targets[i] == l.to) {
			l.cfg.Store(f.cfg)
			l.watchdog.configure(f.cfg.SilenceTimeout)
			continue
		}
		l.cancel()
		leaving = append(leaving, l)
	}
	for _, l := range leaving {
		<-l.done
	}
	// The sink knows of every analyzer before the first is up.
	for _, t := range targets {
		if f.links[t.Name] == nil {
			f.sink.AnalyzerDown(t.Name)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range leaving {
		delete(f.links, l.to.Name)
		if target(l.to.Name) < 0 && l.snapshot().SameAs == "" {
			f.metrics.remove(l.to.Name)
			f.sink.AnalyzerGone(l.to.Name)
		}
	}
	// An analyzer at two addresses, as one with IPv4 and IPv6, may let both in that come at the
	// same moment, and forgets the other when one leaves.
	var delay time.Duration
	for _, t := range targets {
		if f.links[t.Name] == nil {
			l := newLink(&f.intake, t, f.cfg, func(host string) *link { return f.reader(host, t.Name) })
			f.links[t.Name] = l
			if t.Host != "" {
				l.delay, delay = delay, delay+f.timing.stagger
			}
			ctx, cancel := context.WithCancel(f.ctx)
			l.cancel = cancel
			f.wg.Go(func() {
				defer cancel()
				l.run(ctx)
			})
		}
	}
}

// observe looks names up and asks which analyzers there are, again and again until the
// context ends.
func (f *Feed) observe(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var surveyed time.Time
	for {
		wait := f.timing.again
		if f.lookUp(ctx) {
			wait = f.timing.minDelay
		}
		if time.Since(surveyed) >= f.timing.again {
			f.cluster.survey(ctx, f.all())
			surveyed = time.Now()
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-f.changed:
		case <-timer.C:
		}
	}
}

// all returns the links in the order of their names.
func (f *Feed) all() []*link {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Values(f.links), func(a, b *link) int { return cmp.Compare(a.to.Name, b.to.Name) })
}

// lookUp looks names up, and connects to what they stand for now. It reports whether there is
// one of which nothing is known.
func (f *Feed) lookUp(ctx context.Context) (unknown bool) {
	f.reloading.Lock()
	addresses := f.addresses
	f.reloading.Unlock()
	if !addresses.Change() {
		return false
	}
	failures := addresses.LookUp(ctx)
	if ctx.Err() != nil {
		return false
	}
	for _, failure := range failures {
		f.metrics.lookups.Inc()
		if failure.Unknown {
			f.seldom.Error("the analyzers' name cannot be looked up, and never could be: their flows are missing", "name", failure.Name, "err", failure.Err)
		} else {
			f.seldom.Warn("the analyzers' name cannot be looked up; those that are known stay", "name", failure.Name, "err", failure.Err)
		}
	}
	f.reloading.Lock()
	defer f.reloading.Unlock()
	if f.addresses != addresses || f.ended {
		return false
	}
	f.setFailures(failures)
	f.connect(true)
	return slices.ContainsFunc(failures, func(failure access.Failure) bool { return failure.Unknown })
}

// setFailures replaces the failures of the latest lookups. A name of which nothing is known
// counts as an analyzer that is not subscribed to.
func (f *Feed) setFailures(failures []access.Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, was := range f.failures {
		if !slices.ContainsFunc(failures, func(is access.Failure) bool { return is.Name == was.Name && is.Unknown }) {
			f.metrics.remove(was.Name)
		}
	}
	f.failures, f.failedAt = failures, time.Now()
	for _, is := range failures {
		if is.Unknown {
			f.metrics.connected.WithLabelValues(is.Name).Set(0)
		}
	}
}

// Overdue returns for how long the message that is being decoded and counted has been so;
// 0: the feed waits for one. Microseconds are usual.
func (f *Feed) Overdue() time.Duration { return f.counting.Overdue() }

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
	for _, failure := range f.failures {
		if failure.Unknown {
			out = append(out, AnalyzerStatus{Analyzer: failure.Name, LastError: "look up the name: " + failure.Err.Error(), LastErrorAt: f.failedAt})
		}
	}
	return out
}

// reader returns a link but one that is subscribed to the analyzer which calls itself
// host, nil for none.
func (f *Feed) reader(host, but string) *link {
	for _, l := range f.all() {
		if s := l.snapshot(); host != "" && s.Connected && s.HostID == host && s.Analyzer != but {
			return l
		}
	}
	return nil
}

// Missing returns the analyzers that exist and are not subscribed to.
func (f *Feed) Missing() []Missing { return f.cluster.known() }
