// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

const readBuffer = 32 << 10

// subscription is a connection whose handshake succeeded.
type subscription struct {
	conn  *websocket.Conn
	alive *liveness // under conn
	host  string    // what the analyzer calls itself; "": a proxy has removed it
}

// dial subscribes to the analyzer. A failure's text names the configuration key
// to look at where there is one, and never a secret.
func dial(ctx context.Context, cfg *Config, to access.Target) (*subscription, *failure) {
	header, fail := requestHeader(ctx, cfg, to)
	if fail != nil {
		return nil, fail
	}
	settings, err := cfg.Account.TLS(to)
	if err != nil {
		return nil, &failure{reasonTLS, err}
	}
	var alive *liveness
	stop := func() bool { return true }
	dialer := websocket.Dialer{
		Proxy:            cfg.Account.Proxy,
		HandshakeTimeout: access.HandshakeTimeout,
		ReadBufferSize:   readBuffer,
		WriteBufferSize:  1 << 10, // pongs
		TLSClientConfig:  settings,
		NetDialContext: func(dialing context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(dialing, network, addr)
			if err != nil {
				return nil, err
			}
			// The library looks at its context only up to here. The rest of a
			// handshake is broken off by closing the connection under it.
			stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			alive = &liveness{Conn: conn}
			return alive, nil
		},
	}
	conn, resp, err := handshake(ctx, &dialer, to.URL, header)
	if !stop() && err == nil {
		_ = conn.Close()
		return nil, unreached(ctx.Err(), cfg.Account)
	}
	switch {
	case resp != nil && resp.StatusCode == http.StatusSwitchingProtocols:
		if fail := brokenUpgrade(resp, err); fail != nil {
			_ = alive.Close()
			return nil, fail
		}
	case resp != nil && errors.Is(err, websocket.ErrBadHandshake):
		return nil, refused(cfg, to, resp)
	}
	if err != nil {
		if alive != nil {
			_ = alive.Close() // the library has done so, if it did not panic
			if alive.endless {
				err = errEndlessHandshake // which http may take for the end of a header
			}
		}
		return nil, unreached(err, cfg.Account)
	}
	return &subscription{conn, alive, resp.Header.Get("X-Host-Id")}, nil
}

// handshake is the library's handshake, with its panics as errors: it has one for a
// proxy's refusal without a reason phrase.
func handshake(ctx context.Context, d *websocket.Dialer, url string, h http.Header) (conn *websocket.Conn, resp *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			conn, resp, err = nil, nil, fmt.Errorf("the answer of the analyzer, or of a proxy before it, cannot be understood (%v)", p)
		}
	}()
	return d.DialContext(ctx, url, h)
}

// requestHeader returns the header of the request to subscribe.
func requestHeader(ctx context.Context, cfg *Config, to access.Target) (http.Header, *failure) {
	h := http.Header{}
	if err := cfg.Account.Authorize(ctx, h, to); err != nil {
		return nil, &failure{reasonCredentials, err}
	}
	h.Set("X-Host-ID", cfg.HostID)
	h.Set("X-Client-Type", access.ClientType)
	h.Set("X-Client-Protocol", "json")
	h["X-Websocket-Namespace"] = cfg.namespaces()
	h.Set("User-Agent", access.ClientType)
	if host := to.HostHeader(); host != "" {
		h.Set("Host", host)
	}
	return h, nil
}
