// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
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

// Option changes a Sender at its creation.
type Option func(*Sender)

// WithVersion sets the version that stands in the User-Agent, skybridge/version.
func WithVersion(version string) Option {
	return func(s *Sender) { s.agent = "skybridge/" + version }
}

// WithHTTPClientOption passes an option to the HTTP clients of all endpoints,
// such as config.WithDialContextFunc.
func WithHTTPClientOption(opt config.HTTPClientOption) Option {
	return func(s *Sender) { s.http = append(s.http, opt) }
}

// WithSecrets makes the sender hide the secrets in set, and read files by it; what
// it gets to know of secrets is added. Else it has a set of its own.
func WithSecrets(set *secrets.Set) Option {
	return func(s *Sender) { s.secrets = set }
}

// WithClock sets where the time of day comes from, against which samples are too
// old or too far ahead; else it is time.Now.
func WithClock(now func() time.Time) Option {
	return func(s *Sender) { s.now = now }
}

// NewSender returns a sender without endpoints, with its metrics registered on
// reg. Close ends it.
func NewSender(log *queue.Log, reg prometheus.Registerer, logger *slog.Logger, opts ...Option) *Sender {
	s := &Sender{log: log, logger: logger, agent: "skybridge/unknown", secrets: secrets.New(), now: time.Now}
	s.workspaces.New = func() any { return new(workspace) }
	s.metrics = newSenderMetrics(reg, &s.live)
	for _, opt := range opts {
		opt(s)
	}
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
		next := &settings{cfg: cfg, attempts: make(chan struct{}, cfg.MaxShards), replaced: make(chan struct{})}
		var err error
		if next.client, err = client.New(next.cfg.client(s.agent), s.secrets, s.http...); err != nil {
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
	// Before an endpoint that is new can be at a tick.
	renames = s.log.SetNames(namesOf(p.list), keep)
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

func metricLabels(cfg *EndpointConfig) prometheus.Labels {
	return prometheus.Labels{"remote_name": cfg.label(), "url": secrets.URL(cfg.URL)}
}

// start runs a new endpoint.
func (s *Sender) start(id string, first *settings) *endpoint {
	ctx, cancel := context.WithCancel(context.Background())
	e := &endpoint{id: id, log: s.log, hash: queue.HashOf([]byte(id)), logger: s.logger, seldom: logging.RateLimited(s.logger), now: s.now, deadline: progress.NewDeadline(), workspaces: &s.workspaces, cancel: cancel, stopped: make(chan struct{})}
	first.metrics = s.metrics.endpoint(metricLabels(&first.cfg), &e.highestSent)
	e.settings.Store(first)
	e.cursor = s.log.Cursor(id, e.deadline.Set)
	e.spoken.reset(knownVersion(e.cursor.Past().Number))
	e.cursor.SetWindow(first.cfg.BacklogWindow.Milliseconds())
	s.ends.Go(func() {
		e.run(ctx)
		e.cursor.Close()
		close(e.stopped)
		e.settings.Load().client.Close()
	})
	return e
}

// remove ends an endpoint, and does not wait for that: from here on it has no part
// in the log, and its requests in flight are cut off.
func (s *Sender) remove(e *endpoint) {
	if left := e.cursor.Detach(); left.Ticks > 0 {
		e.logger.Warn("the endpoint was removed before it had sent everything; the rest is lost", "ticks", left.Ticks, "samples", left.Samples)
		s.metrics.abandoned.Add(float64(left.Samples))
	}
	e.cancel()
	s.metrics.forget(metricLabels(&e.settings.Load().cfg))
}

// change gives a running endpoint new settings. Requests in flight end under the
// old ones; those that wait are woken.
func (s *Sender) change(e *endpoint, next *settings) {
	old := e.settings.Load()
	before, after := metricLabels(&old.cfg), metricLabels(&next.cfg)
	next.metrics = s.metrics.endpoint(after, &e.highestSent)
	e.account()
	e.settings.Store(next)
	e.cursor.SetWindow(next.cfg.BacklogWindow.Milliseconds())
	e.quiet.clear()
	e.recent.clear() // what was wrong may be right now
	e.size.clear()
	close(old.replaced)
	s.ends.Go(old.client.Close) // which may wait for an attempt under way
	if old.cfg.URL != next.cfg.URL {
		e.spoken.reset(wire.Unknown) // another receiver
		e.cursor.KeepNumber(uint64(wire.Unknown))
	}
	if !reflect.DeepEqual(before, after) {
		s.metrics.forget(before)
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
			cfg := &e.settings.Load().cfg
			errs = append(errs, fmt.Errorf("%s (%s): %d ticks with %d samples are not acknowledged", cfg.label(), secrets.URL(cfg.URL), p.Ticks, p.Samples))
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
	s.live.list.Store(nil)
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
		if !e.hasStopped() {
			// Its place in the log stays what it is: the next process sends again what it has in hand.
			cfg := &e.settings.Load().cfg
			s.logger.Error("an endpoint does not end; it is left to itself", "remote_name", cfg.label(), "url", secrets.URL(cfg.URL), "waited", closeTimeout)
		}
	}
}

// EndpointStatus is how an endpoint is doing.
type EndpointStatus struct {
	Name string
	// URL is without user, password and values of its query.
	URL string
	// BacklogTicks and BacklogSamples are what is being sent or waits.
	BacklogTicks   int
	BacklogSamples int64
	// WaitsSince is the time of the oldest tick among them; zero where there is none.
	WaitsSince time.Time
	// Version is the remote-write version that requests are in, "2.0" or "1.0".
	Version string
	// Shards is how many requests go out at once.
	Shards int
	// LastSuccess is when the receiver last stored something.
	LastSuccess time.Time
	// LastError is the last trouble, in the receiver's own words where it had
	// some, at most some hundred bytes; untrusted text. It stays after a success.
	LastError   string
	LastErrorAt time.Time
	// LastRemedy is what usually helps against it, "" where nothing is known to.
	LastRemedy string
	// RefusedSamples were refused in the last 15 minutes, or not sent because the
	// receiver had refused their zeros; LostBytes are the traffic bytes that were lost
	// to it for good meanwhile, for whatever reason (skybridge_lost_bytes_total).
	RefusedSamples, LostBytes uint64
}

// State is how an endpoint is doing, in a word.
type State string

// The states of an endpoint. All but StateOK want somebody to look.
const (
	StateOK           State = "ok"
	StateNotContacted State = "not contacted" // nothing was sent to it yet, or nothing was answered
	StateRefusing     State = "refusing"      // it refused samples in the last 15 minutes
	StateFailing      State = "failing"       // its latest answer was not a good one, or there was none
)

// State returns the endpoint's state.
func (s *EndpointStatus) State() State {
	switch {
	case s.RefusedSamples > 0:
		return StateRefusing
	case s.LastSuccess.Before(s.LastErrorAt):
		return StateFailing
	case s.LastSuccess.IsZero():
		return StateNotContacted
	}
	return StateOK
}

// OK says whether the endpoint is in the state that it should be in.
func (s *EndpointStatus) OK() bool { return s.State() == StateOK }

// Status returns the endpoints' state, in the order of the config.
func (s *Sender) Status() []EndpointStatus {
	endpoints := s.live.all()
	out := make([]EndpointStatus, 0, len(endpoints))
	for _, e := range endpoints {
		e.account()
		cfg, p := &e.settings.Load().cfg, e.cursor.Position()
		var waits time.Time
		if p.Ticks > 0 {
			waits = time.UnixMilli(p.Oldest)
		}
		refused, lost := e.recent.sum()
		e.mu.Lock()
		out = append(out, EndpointStatus{
			Name: cfg.label(), URL: secrets.URL(cfg.URL),
			BacklogTicks: p.Ticks, BacklogSamples: p.Samples, WaitsSince: waits, Shards: int(e.senders.Load()),
			Version:     e.spoken.use(cfg.ProtobufMessage).String(),
			LastSuccess: e.lastSuccess, LastError: e.lastError, LastErrorAt: e.lastErrorAt, LastRemedy: e.lastRemedy,
			RefusedSamples: refused, LostBytes: lost,
		})
		e.mu.Unlock()
	}
	return out
}
