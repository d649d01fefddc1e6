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
	HostID string // what it calls itself, by default its address

	// PingDelay and PongTimeout default to those of a real one, 2 s and 7 s.
	PingDelay, PongTimeout time.Duration

	Users  map[string]string // user: password; none: everybody may connect
	TLS    *tls.Config       // nil: plain
	Logger *slog.Logger      // nil: silent
}

// Analyzer is a running analyzer. All methods may be called concurrently,
// [Analyzer.Stop] and [Analyzer.Restart] from one goroutine at a time.
type Analyzer struct {
	endpoint
	topology
	api
	cfg     Config
	backend shttp.AuthenticationBackend
	addr    string // where it listens, in all its lives

	connections connections
	http        *shttp.Server // of this life
	serving     sync.WaitGroup
}

// Start starts an analyzer. It runs until [Analyzer.Stop].
func Start(cfg Config) (*Analyzer, error) {
	if cfg.Addr == "" {
		cfg.Addr = loopback.Address()
	}
	if cfg.HostID == "" {
		cfg.HostID = cfg.Addr
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
	backend, err := authentication(cfg.Users)
	if err != nil {
		return nil, err
	}
	a := &Analyzer{cfg: cfg, backend: backend, endpoint: newEndpoint(), connections: connections{open: map[net.Conn]struct{}{}}}
	// An address in use is an error at once.
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("analyzer: listen on %s: %w", cfg.Addr, err)
	}
	a.addr = listener.Addr().String()
	a.serve(listener)
	return a, nil
}

func (a *Analyzer) serve(listener net.Listener) {
	// Skydive's global logger prints to standard error.
	web := shttp.NewServer(a.cfg.HostID, "analyzer", "", 0, a.cfg.TLS.Clone(), silent())
	web.Handler = web.Router
	web.ErrorLog = slog.NewLogLogger(a.cfg.Logger.Handler(), slog.LevelDebug)
	web.ConnState = a.connections.track
	server := ws.NewStructServer(ws.NewServer(web, Path, ws.ServerOpts{
		PingDelay:     a.cfg.PingDelay,
		PongTimeout:   a.cfg.PongTimeout,
		Logger:        silent(),
		AuthBackend:   a.backend,
		PongListeners: []ws.PongListener{&a.endpoint},
	}))
	a.begin(server)
	server.AddEventHandler(&a.endpoint)
	a.topology.register(web, a.backend)
	a.api.register(web, a.backend)

	// Skydive's own Listen hides the port that it got, so the listener is ours
	// and the rest of its server is used as it is.
	a.http = web
	a.serving.Go(func() {
		serve := func() error { return web.Server.Serve(listener) }
		if a.cfg.TLS != nil {
			serve = func() error { return web.ServeTLS(listener, "", "") }
		}
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			a.cfg.Logger.Error("analyzer stopped serving", "err", err)
		}
	})
}

// silent returns a logger that logs nothing.
func silent() logging.Logger { return &logging.DefaultLogger{Logger: zap.NewNop()} }

func authentication(users map[string]string) (shttp.AuthenticationBackend, error) {
	if len(users) == 0 {
		return shttp.NewNoAuthenticationBackend(), nil
	}
	backend, err := shttp.NewBasicAuthenticationBackend("basic", shttp.NewHtpasswdMapProvider(users).SecretProvider(), shttp.DefaultUserRole)
	if err != nil {
		return nil, fmt.Errorf("analyzer: set up basic authentication: %w", err)
	}
	return backend, nil
}

// Addr returns the host:port it listens on, the same after a restart.
func (a *Analyzer) Addr() string { return a.addr }

// URL returns the address of the flow feed.
func (a *Analyzer) URL() string {
	scheme := "ws"
	if a.cfg.TLS != nil {
		scheme = "wss"
	}
	return scheme + "://" + a.Addr() + Path
}

// DropAll cuts every connection without a word and returns how many it were.
func (a *Analyzer) DropAll() int {
	return a.connections.cut()
}

// Stop ends the analyzer as if its process had died: the port and all
// connections are closed at once. It waits for its goroutines. Sending to a
// stopped analyzer does nothing.
func (a *Analyzer) Stop() {
	// Skydive's own Stop races with clients that are just connecting. Cutting the
	// connections ends its goroutines as well; again, those that came meanwhile.
	for handled := errors.New("not yet"); handled != nil; {
		a.connections.cut()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		handled = a.http.Shutdown(ctx)
		cancel()
	}
	a.connections.cut() // those that a request became a subscriber on
	a.waitGone()
	a.serving.Wait()
}

// Restart is Stop, then the same analyzer on the same address, which knows no
// subscriber.
func (a *Analyzer) Restart() error {
	a.Stop()
	listener, err := loopback.Listen(a.addr)
	if err != nil {
		return fmt.Errorf("analyzer: listen on %s: %w", a.addr, err)
	}
	a.serve(listener)
	return nil
}
