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
	"github.com/skydive-project/skydive/graffiti/logging"
	ws "github.com/skydive-project/skydive/graffiti/websocket"
	"go.uber.org/zap"

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
	cfg      Config
	topology topology

	mu   sync.Mutex
	addr string
	life *life
}

// life is the analyzer between two restarts.
type life struct {
	http        *shttp.Server
	endpoint    *endpoint
	connections connections
	serving     sync.WaitGroup
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
	listener, err := listen(a.addr)
	if err != nil {
		return fmt.Errorf("analyzer: listen on %s: %w", a.addr, err)
	}
	l := &life{
		// Skydive's global logger prints to standard error.
		http:        shttp.NewServer(a.cfg.HostID, "analyzer", "", 0, a.cfg.TLS.Clone(), silent()),
		endpoint:    newEndpoint(),
		connections: connections{open: map[net.Conn]struct{}{}},
	}
	l.http.Handler = l.http.Router
	l.http.ErrorLog = slog.NewLogLogger(a.cfg.Logger.Handler(), slog.LevelDebug)
	l.http.ConnState = l.connections.track
	server := ws.NewStructServer(ws.NewServer(l.http, Path, ws.ServerOpts{
		PingDelay:     a.cfg.PingDelay,
		PongTimeout:   a.cfg.PongTimeout,
		Logger:        silent(),
		AuthBackend:   backend,
		PongListeners: []ws.PongListener{l.endpoint},
	}))
	l.endpoint.pool = server
	server.AddEventHandler(l.endpoint)
	a.topology.register(l.http, backend)

	// Skydive's own Listen hides the port that it got, so the listener is ours
	// and the rest of its server is used as it is.
	l.serving.Go(func() {
		serve := func() error { return l.http.Server.Serve(listener) }
		if a.cfg.TLS != nil {
			serve = func() error { return l.http.ServeTLS(listener, "", "") }
		}
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			a.cfg.Logger.Error("analyzer stopped serving", "err", err)
		}
	})

	a.mu.Lock()
	defer a.mu.Unlock()
	a.addr, a.life = listener.Addr().String(), l
	return nil
}

// silent returns a logger that logs nothing.
func silent() logging.Logger { return &logging.DefaultLogger{Logger: zap.NewNop()} }

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

// present returns the life of the analyzer that has begun last.
func (a *Analyzer) present() *life {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.life
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
	a.present().endpoint.sendFlows(flows)
}

// SendStats sends a capture's statistics to the namespace stats.
func (a *Analyzer) SendStats(s Stats) {
	a.present().endpoint.sendStats(s)
}

// SendRaw sends a whole message as it is to every subscriber, whatever its
// namespaces and whatever the analyzer has forgotten. It need not be JSON.
func (a *Analyzer) SendRaw(message []byte) {
	a.present().endpoint.pool.BroadcastMessage(ws.RawMessage(message))
}

// Subscribers returns who is connected.
func (a *Analyzer) Subscribers() []Subscriber {
	s, _ := a.present().endpoint.subscribers()
	return s
}

// Namespaces returns the namespaces that are being sent, sorted; those that
// fault 1 made the analyzer forget are missing.
func (a *Analyzer) Namespaces() []string {
	return a.present().endpoint.namespaces()
}

// Accepted returns how many subscriptions there were since the last start.
func (a *Analyzer) Accepted() int {
	e := a.present().endpoint
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.accepted
}

// Wait returns when ok says so of the subscribers, which it asks at every
// change, or with the context's error.
func (a *Analyzer) Wait(ctx context.Context, ok func([]Subscriber) bool) error {
	e := a.present().endpoint
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
	a.present().endpoint.forget()
}

// DropAll cuts every connection without a word and returns how many it were.
func (a *Analyzer) DropAll() int {
	return a.present().connections.cut()
}

// Stop ends the analyzer as if its process had died: the port and all
// connections are closed at once. It waits for its goroutines. Sending to a
// stopped analyzer does nothing.
func (a *Analyzer) Stop() {
	l := a.present()
	// Skydive's own Stop races with clients that are just connecting. Cutting the
	// connections ends its goroutines as well; again, those that came meanwhile.
	for handled := errors.New("not yet"); handled != nil; {
		l.connections.cut()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		handled = l.http.Shutdown(ctx)
		cancel()
	}
	l.connections.cut() // those that a request became a subscriber on
	l.endpoint.waitGone()
	l.serving.Wait()
}

// Restart is Stop, then the same analyzer on the same address, which knows no
// subscriber.
func (a *Analyzer) Restart() error {
	a.Stop()
	return a.start(loopback.Listen)
}
