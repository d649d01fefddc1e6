// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package remotewrite gets samples to receivers: a [Sender] carries a [queue.Log] of
// ticks to any number of them by remote-write, each at its own pace.
//
// A tick is everything that was sampled at one moment. It is two groups, the
// zeros that counters begin with and then values and stale markers; a group is
// a list of blocks; a block is up to [wire.MaxBlockSamples] samples in the form of
// a remote-write 2.0 request. No group holds two samples of one series, so the
// requests of a group go out in parallel and in any order, and the next group
// starts when each of them has its final answer. Order therefore holds without
// hashing series to senders, and a request whose fate is unknown can be sent
// again as it was: it is the newest that its series have.
//
// Blocks go to receivers of 2.0 as they are. For those of 1.0 each is encoded again.
//
//	Log.Begin → TickBuilder → Log.Append → Cursor → endpoint → group → sender → client
//
// The package knows neither what the samples mean nor where its settings come
// from.
package remotewrite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/logging"
	"github.com/skydive-project/skybridge/progress"
	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/secrets"
)

// Sender carries a log to its endpoints. It owns their goroutines. All methods
// are safe for concurrent use.
type Sender struct {
	log     *queue.Log
	logger  *slog.Logger
	metrics *senderMetrics
	agent   string
	http    []config.HTTPClientOption
	secrets *secrets.Set
	now     func() time.Time

	workspaces sync.Pool // shared: idle endpoints hold no buffers
	live       liveEndpoints

	mu     sync.Mutex // serialises changes
	closed bool
	ends   sync.WaitGroup // endpoints, also those that were removed, and clients that close
}

// closeTimeout is how long Close waits for endpoints to end.
const closeTimeout = 5 * time.Second

// Options are what a Sender needs from the process that it is in; the zero value will do.
type Options struct {
	// Version stands in the User-Agent, skybridge/version; "" is unknown.
	Version string
	// HTTP are options for the HTTP clients of all endpoints, such as
	// config.WithDialContextFunc.
	HTTP []config.HTTPClientOption
	// Secrets are hidden, and files are read by the set; what the sender gets to know of
	// secrets is added. nil: it has a set of its own.
	Secrets *secrets.Set
	// Now is the time of day, against which samples are too old or too far ahead; nil is
	// time.Now.
	Now func() time.Time
}

// NewSender returns a sender without endpoints, with its metrics registered on
// reg. Close ends it.
func NewSender(log *queue.Log, reg prometheus.Registerer, logger *slog.Logger, opts Options) *Sender {
	s := &Sender{
		log: log, logger: logger, agent: agentOf(opts.Version),
		http: opts.HTTP, secrets: opts.Secrets, now: opts.Now,
	}
	if s.secrets == nil {
		s.secrets = secrets.New()
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.live.list.Store(new([]*endpoint))
	s.workspaces.New = func() any { return new(workspace) }
	s.metrics = newSenderMetrics(reg)
	s.live.counters = s.metrics.counters
	reg.MustRegister(&s.live)
	return s
}

// Endpoints are configs with what they need to be applied: see [Sender.Prepare].
type Endpoints struct{ list []*settings }

// Prepare checks cfgs and makes of them all that can fail or take time, such as
// reading the files of certificates. It changes nothing and takes no lock. Where
// anything is wrong with any config, the error names it all. What cfgs refers to must
// not be changed afterwards.
func (s *Sender) Prepare(cfgs []EndpointConfig) (*Endpoints, error) {
	var errs []error
	p := &Endpoints{}
	seen := make(map[string]bool)
	for i, cfg := range cfgs {
		where := fmt.Sprintf("endpoint %d (%s)", i+1, cfg.label())
		id := cfg.identity()
		if seen[id] {
			errs = append(errs, fmt.Errorf("%s: another endpoint has the same name, or the same url and no name: give each its own name", where))
			continue
		}
		seen[id] = true
		if err := cfg.complete(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
			continue
		}
		next := &settings{
			cfg: cfg, name: cfg.label(), url: secrets.URL(cfg.URL),
			attempts: make(chan struct{}, cfg.MaxShards), replaced: make(chan struct{}),
		}
		next.logger = s.logger.With("remote_name", next.name, "url", next.url)
		var err error
		next.client, err = newClient(cfg, s.agent, s.secrets, s.http)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
			continue
		}
		p.list = append(p.list, next)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	return p, nil
}

// Apply makes the endpoints be those prepared, once: new ones start at the log's end,
// those that are gone stop, with what they had not sent, and those whose identity (name,
// else URL) stays keep their place in the log, whatever else changed. To the first
// Apply the endpoints of the former process, which a durable log remembers, are
// those that stay or are gone. Names that configs give series hold for ticks that are
// appended after it; see Renames. It waits for no receiver and no endpoint. The error is
// that the sender was closed.
func (s *Sender) Apply(p *Endpoints) error {
	_, err := s.apply(p, false)
	return err
}

// apply does so; with keep, the names in force stay, and the answer is whether
// p has others.
func (s *Sender) apply(p *Endpoints, keep bool) (renames bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, errors.New("remote write: sender is closed")
	}
	names := make(map[queue.Hash]string, len(p.list))
	for _, next := range p.list {
		names[queue.HashOf([]byte(next.cfg.identity()))] = next.cfg.naming().text()
	}
	// Before an endpoint that is new can be at a tick.
	renames = s.log.SetNames(names, keep)
	running := make(map[string]*endpoint)
	for _, e := range s.live.all() {
		running[e.id] = e
	}
	var list []*endpoint
	for _, next := range p.list {
		id := next.cfg.identity()
		e := running[id]
		delete(running, id)
		switch {
		case e == nil:
			e = s.start(id, next)
		case !e.settings.Load().cfg.sameAs(&next.cfg):
			s.change(e, next)
		default:
			e.settings.Load().client.Renew()
			s.ends.Go(next.client.Close) // it was not used
		}
		e.spoken.askAgain()
		list = append(list, e)
	}
	s.live.list.Store(&list)
	for _, e := range running {
		s.remove(e)
	}
	s.metrics.abandoned.Add(float64(s.log.ReleaseParked()))
	return renames, nil
}

// start runs a new endpoint.
func (s *Sender) start(id string, first *settings) *endpoint {
	ctx, cancel := context.WithCancel(context.Background())
	e := &endpoint{
		id: id, hash: queue.HashOf([]byte(id)), log: s.log, seldom: logging.RateLimited(s.logger), now: s.now, deadline: progress.NewDeadline(),
		seeds: newSeeds(), workspaces: &s.workspaces, cancel: cancel, stopped: make(chan struct{}),
	}
	e.cursor = s.log.Cursor(id, e.deadline)
	e.spoken.reset(knownVersion(e.cursor.Past().Number))
	s.use(e, first)
	s.ends.Go(func() {
		e.run(ctx)
		e.cursor.Close()
		close(e.stopped)
		e.settings.Load().client.Close()
	})
	return e
}

// use makes settings those of an endpoint.
func (s *Sender) use(e *endpoint, next *settings) {
	next.seldom = e.seldom.With("remote_name", next.name, "url", next.url)
	next.metrics = s.metrics.endpoint(next.labels())
	e.settings.Store(next)
	e.cursor.SetWindow(next.cfg.BacklogWindow.Milliseconds())
}

// remove ends an endpoint, and does not wait for that: from here on it has no part
// in the log, and its requests in flight are cut off.
func (s *Sender) remove(e *endpoint) {
	if left := e.cursor.Detach(); left.Ticks > 0 {
		e.settings.Load().logger.Warn("the endpoint was removed before it had sent everything; the rest is lost", "ticks", left.Ticks, "samples", left.Samples)
		s.metrics.abandoned.Add(float64(left.Samples))
	}
	e.cancel()
	s.metrics.forget(e.settings.Load().labels())
}

// change gives a running endpoint new settings. Requests in flight end under the
// old ones; those that wait are woken.
func (s *Sender) change(e *endpoint, next *settings) {
	old := e.settings.Load()
	e.account()
	s.use(e, next)
	e.quiet.clear()
	e.episode.reset()
	e.recent.clear() // what was wrong may be right now
	e.size.clear()
	close(old.replaced)
	s.ends.Go(old.client.Close) // which may wait for an attempt under way
	if old.cfg.URL != next.cfg.URL {
		e.spoken.reset(wire.Unknown) // another receiver
		e.cursor.KeepNumber(uint64(wire.Unknown))
	}
	if old.name != next.name || old.url != next.url {
		s.metrics.forget(old.labels())
	}
}

// Flush waits until every endpoint has dealt with every tick in the log, or until
// ctx ends; the error then says what is left where. Meanwhile endpoints use all
// the senders they may.
func (s *Sender) Flush(ctx context.Context) error {
	endpoints := s.live.all()
	for _, e := range endpoints {
		e.hurry.Store(true)
	}
	defer func() {
		for _, e := range endpoints {
			e.hurry.Store(false)
		}
	}()
	var err error
	for _, e := range endpoints {
		if err = e.cursor.AwaitEnd(ctx); err != nil {
			break
		}
	}
	if err == nil {
		return nil
	}
	errs := []error{err}
	for _, e := range endpoints {
		if p := e.cursor.Position(); p.Ticks > 0 {
			of := e.settings.Load()
			errs = append(errs, fmt.Errorf("%s (%s): %d ticks with %d samples are not acknowledged", of.name, of.url, p.Ticks, p.Samples))
		}
	}
	return fmt.Errorf("remote write: flush: %w", errors.Join(errs...))
}

// Close cuts off what is in flight, ends all endpoints and waits for them, for some
// seconds at most: one that has not ended by then is logged and left. What endpoints
// had not sent stays in a durable log, and is gone with another.
func (s *Sender) Close() {
	s.mu.Lock()
	s.closed = true
	endpoints := s.live.all()
	s.live.list.Store(new([]*endpoint))
	s.mu.Unlock()
	for _, e := range endpoints {
		e.cancel() // all at once, then wait
	}
	ended := make(chan struct{})
	go func() {
		s.ends.Wait()
		close(ended)
	}()
	over := time.NewTimer(closeTimeout)
	defer over.Stop()
	select {
	case <-ended:
	case <-over.C:
	}
	for _, e := range endpoints {
		e.account()
		select {
		case <-e.stopped:
		default:
			// Its place in the log stays what it is: the next process sends again what it has in hand.
			e.settings.Load().logger.Error("an endpoint does not end; it is left to itself", "waited", closeTimeout)
		}
	}
}

// Resume is Apply for a process that continues the series of the one before it.
// Those run under the names of that process, which a durable log remembers: so
// these stay in force, both the log's external labels ([Log.ExternalLabels]) and
// what each endpoint that stays makes of the series, for ticks that are appended
// from now on; everything else in p holds at once.
//
// It returns whether p, or the external labels that the log was opened with,
// give other names. Then what follows is the same as at a reload: the caller ends
// all series, under the names that they have, and calls [Sender.Apply] and
// [Log.SetExternalLabels] with its configuration before it starts them again. To do
// so in any case is right as well. Until then, Renames tells the same of the
// endpoints. Where nothing is remembered, as in memory, Resume is Apply.
func (s *Sender) Resume(p *Endpoints) (renames bool, err error) {
	return s.apply(p, true)
}

// Renames says whether Apply would give other names to the series of an endpoint
// that stays. The ticks that are in the log by then keep the old ones; so the
// caller ends all series before it calls Apply, and starts them again after it.
func (s *Sender) Renames(cfgs []EndpointConfig) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.live.all() {
		inForce, _ := s.log.NamesAt(e.hash, math.MaxUint64) // of ticks to come
		for i := range cfgs {
			if cfgs[i].identity() == e.id && cfgs[i].naming().text() != inForce {
				return true
			}
		}
	}
	return false
}

// newClient makes the client of an endpoint.
func newClient(cfg EndpointConfig, agent string, set *secrets.Set, opts []config.HTTPClientOption) (*client.Client, error) {
	return client.New(client.Config{
		URL: cfg.URL, Timeout: cfg.Timeout, Headers: cfg.Headers, HTTP: cfg.HTTPClient, RetryOn429: cfg.RetryOn429, Agent: agent,
	}, set, opts...)
}

// agentOf is the User-Agent of a version of the bridge.
func agentOf(version string) string { return "skybridge/" + cmp.Or(version, "unknown") }
