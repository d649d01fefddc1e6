// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	shttp "github.com/skydive-project/skydive/graffiti/http"
	ws "github.com/skydive-project/skydive/graffiti/websocket"

	"github.com/skydive-project/skybridge/internal/loopback"
)

// Path is where an analyzer serves its flows.
const Path = "/ws/subscriber/flow"

// Config says how an analyzer is set up. The zero value is a plain one on a
// loopback address of its own.
type Config struct {
	Addr   string // host:port to listen on, by default of package loopback
	HostID string // what it calls itself, default "analyzer"

	// PingDelay and PongTimeout default to those of a real one, 2 s and 7 s.
	PingDelay, PongTimeout time.Duration

	Users  map[string]string // user: password; none: everybody may connect
	TLS    *tls.Config       // nil: plain
	Logger *slog.Logger      // nil: silent
}

// Analyzer is a running analyzer. All methods may be called concurrently,
// [Analyzer.Stop] and [Analyzer.Restart] from one goroutine at a time.
type Analyzer struct {
	cfg Config

	mu       sync.Mutex
	addr     string
	listener *listener
	http     *shttp.Server
	server   *ws.StructServer
	endpoint *endpoint
	requests *inflight
	serving  sync.WaitGroup

	topology topology
}

// Start starts an analyzer. It runs until [Analyzer.Stop].
func Start(cfg Config) (*Analyzer, error) {
	if cfg.Addr == "" {
		cfg.Addr = loopback.Address()
	}
	if cfg.HostID == "" {
		cfg.HostID = "analyzer"
	}
	if cfg.PingDelay == 0 {
		cfg.PingDelay = 2 * time.Second
	}
	if cfg.PongTimeout == 0 {
		cfg.PongTimeout = 7 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Analyzer{cfg: cfg, addr: cfg.Addr}
	// An address in use is an error at once.
	if err := a.start(func(address string) (net.Listener, error) { return net.Listen("tcp", address) }); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Analyzer) start(listen func(address string) (net.Listener, error)) error {
	backend, err := a.authentication()
	if err != nil {
		return err
	}
	raw, err := listen(a.addr)
	if err != nil {
		return fmt.Errorf("analyzer: listen on %s: %w", a.addr, err)
	}
	log := logger{a.cfg.Logger}
	l := newListener(raw)
	host := shttp.NewServer(a.cfg.HostID, "analyzer", "", 0, a.cfg.TLS.Clone(), log)
	requests := newInflight()
	host.Handler = requests.wrap(host.Router)
	host.ErrorLog = slog.NewLogLogger(a.cfg.Logger.Handler(), slog.LevelDebug)

	pongs := &pongListener{}
	server := ws.NewStructServer(ws.NewServer(host, Path, ws.ServerOpts{
		PingDelay:     a.cfg.PingDelay,
		PongTimeout:   a.cfg.PongTimeout,
		Logger:        log,
		AuthBackend:   backend,
		PongListeners: []ws.PongListener{pongs},
	}))
	e := newEndpoint(server)
	pongs.to = e
	server.AddEventHandler(e)

	a.topology.register(host, backend)

	// Skydive's own Listen hides the port that it got, so the listener is ours
	// and the rest of its server is used as it is.
	a.serving.Go(func() {
		serve := func() error { return host.Server.Serve(l) }
		if a.cfg.TLS != nil {
			serve = func() error { return host.ServeTLS(l, "", "") }
		}
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			a.cfg.Logger.Error("analyzer stopped serving", "err", err)
		}
	})

	a.mu.Lock()
	defer a.mu.Unlock()
	a.addr = l.Addr().String()
	a.listener, a.http, a.server, a.endpoint, a.requests = l, host, server, e, requests
	return nil
}

func (a *Analyzer) authentication() (shttp.AuthenticationBackend, error) {
	if len(a.cfg.Users) == 0 {
		return shttp.NewNoAuthenticationBackend(), nil
	}
	users := shttp.NewHtpasswdMapProvider(a.cfg.Users)
	backend, err := shttp.NewBasicAuthenticationBackend("basic", users.SecretProvider(), shttp.DefaultUserRole)
	if err != nil {
		return nil, fmt.Errorf("analyzer: set up basic authentication: %w", err)
	}
	return backend, nil
}

// pongListener breaks the circle of server and endpoint, which each want the
// other first. It is filled before the server serves.
type pongListener struct{ to *endpoint }

// OnPong implements Skydive's PongListener.
func (p *pongListener) OnPong(c ws.Speaker) { p.to.OnPong(c) }

// parts returns what belongs to the present life of the analyzer.
func (a *Analyzer) parts() (*listener, *ws.StructServer, *endpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.listener, a.server, a.endpoint
}

// Addr returns the host:port it listens on, the same after a restart.
func (a *Analyzer) Addr() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.addr
}

// URL returns the address of the flow feed.
func (a *Analyzer) URL() string {
	scheme := "ws"
	if a.cfg.TLS != nil {
		scheme = "wss"
	}
	return scheme + "://" + a.Addr() + Path
}

// SendFlows sends flows as a real analyzer does: at most 100 a message, to the
// namespace flow and to that of each capture, if anyone made it known. Like the
// real one it blocks when a subscriber leaves its queue of 10,000 messages full.
func (a *Analyzer) SendFlows(flows []Flow) {
	records := make([]record, len(flows))
	for i := range flows {
		records[i] = record{flows[i].CaptureID, &flows[i]}
	}
	_, _, e := a.parts()
	e.sendFlows(records)
}

// SendStats sends a capture's statistics to the namespace stats.
func (a *Analyzer) SendStats(s Stats) {
	_, _, e := a.parts()
	e.sendStats(s)
}

// SendRaw sends a whole message as it is to every subscriber, whatever its
// namespaces and whatever the analyzer has forgotten. It need not be JSON.
func (a *Analyzer) SendRaw(message []byte) {
	_, s, _ := a.parts()
	s.BroadcastMessage(ws.RawMessage(message))
}

// Subscribers returns who is connected.
func (a *Analyzer) Subscribers() []Subscriber {
	_, _, e := a.parts()
	s, _ := e.subscribers()
	return s
}

// Namespaces returns the namespaces that are being sent, sorted; those that
// fault 1 made the analyzer forget are missing.
func (a *Analyzer) Namespaces() []string {
	_, _, e := a.parts()
	return e.namespaces()
}

// Accepted returns how many subscriptions there were since the last start.
func (a *Analyzer) Accepted() int {
	_, _, e := a.parts()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.accepted
}

// Wait returns when ok says so of the subscribers, which it asks at every
// change, or with the context's error.
func (a *Analyzer) Wait(ctx context.Context, ok func([]Subscriber) bool) error {
	_, _, e := a.parts()
	for {
		s, changed := e.subscribers()
		if ok(s) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("analyzer: wait with %d subscribers: %w", len(s), ctx.Err())
		}
	}
}

// WaitSubscribers returns when n subscribers are connected.
func (a *Analyzer) WaitSubscribers(ctx context.Context, n int) error {
	return a.Wait(ctx, func(s []Subscriber) bool { return len(s) == n })
}

// Forget brings fault 1 about without a second client: every namespace is
// forgotten, as if some subscriber had left. Pings continue.
func (a *Analyzer) Forget() {
	_, _, e := a.parts()
	e.forget()
}

// DropAll cuts every connection without a word and returns how many it were.
func (a *Analyzer) DropAll() int {
	l, _, _ := a.parts()
	return l.cut()
}

// Stop ends the analyzer as if its process had died: the port and all
// connections are closed at once. It waits for its goroutines. Sending to a
// stopped analyzer does nothing.
func (a *Analyzer) Stop() {
	a.mu.Lock()
	host, l, e, requests := a.http, a.listener, a.endpoint, a.requests
	a.mu.Unlock()
	// Skydive's own Stop races with clients that are just connecting. Cutting
	// the connections ends its goroutines as well.
	_ = host.Close() // it is gone either way
	l.cut()
	requests.wait()
	l.cut() // those that a request became a subscriber on meanwhile
	e.waitGone()
	a.serving.Wait()
}

// Restart is Stop, then the same analyzer on the same address, which knows no
// subscriber.
func (a *Analyzer) Restart() error {
	a.Stop()
	return a.start(loopback.Listen)
}
