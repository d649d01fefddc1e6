// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/secrets"
)

const (
	// handshakeTimeout bounds the way from the first packet to the 101.
	handshakeTimeout = 10 * time.Second
	readBuffer       = 32 << 10
	// clientType is what the bridge is to the analyzer, which asks for some
	// word here and closes the connection without one (measured).
	clientType = "skybridge"
)

// subscription is a connection whose handshake succeeded.
type subscription struct {
	conn  *websocket.Conn
	alive *liveness // under conn
}

// proxyFunc says through which proxy a request goes, nil for none.
type proxyFunc func(*http.Request) (*url.URL, error)

// hidden returns a proxyFunc that does not quote the proxy's URL in errors, for it
// can have a password, which set gets to know.
func (p proxyFunc) hidden(set *secrets.Set) proxyFunc {
	return func(req *http.Request) (*url.URL, error) {
		u, err := p(req)
		if err != nil {
			return nil, errors.New("the proxy's URL (HTTP_PROXY, HTTPS_PROXY) is invalid")
		}
		if u != nil {
			set.Add(secrets.OfURL(u.String())...)
		}
		return u, nil
	}
}

// dial subscribes to the analyzer. A failure's text names the configuration key
// to look at where there is one, and never a secret.
func dial(ctx context.Context, cfg *Config, to target, proxy proxyFunc) (*subscription, *failure) {
	header, fail := requestHeader(cfg, to)
	if fail != nil {
		return nil, fail
	}
	var alive *liveness
	stop := func() bool { return true }
	dialer := websocket.Dialer{
		Proxy:            proxy.hidden(cfg.Secrets),
		HandshakeTimeout: handshakeTimeout,
		ReadBufferSize:   readBuffer,
		WriteBufferSize:  1 << 10, // pongs
		TLSClientConfig:  cfg.TLS,
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
	conn, resp, err := shake(ctx, &dialer, to.url, header)
	if !stop() && err == nil {
		_ = conn.Close()
		return nil, unreached(ctx.Err(), cfg.Secrets)
	}
	switch {
	case resp != nil && resp.StatusCode == http.StatusSwitchingProtocols:
		if fail := misshaken(resp, err); fail != nil {
			_ = alive.Close()
			return nil, fail
		}
	case resp != nil && errors.Is(err, websocket.ErrBadHandshake):
		return nil, refused(cfg, resp)
	}
	if err != nil {
		if alive != nil {
			_ = alive.Close() // the library has done so, if it did not panic
			if alive.endless {
				err = errEndlessHandshake // which http may take for the end of a header
			}
		}
		return nil, unreached(err, cfg.Secrets)
	}
	return &subscription{conn, alive}, nil
}

// shake is the library's handshake, with its panics as errors: it has one for a
// proxy's refusal without a reason phrase.
func shake(ctx context.Context, d *websocket.Dialer, url string, h http.Header) (conn *websocket.Conn, resp *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			conn, resp, err = nil, nil, fmt.Errorf("the answer of the analyzer, or of a proxy before it, cannot be understood (%v)", p)
		}
	}()
	return d.DialContext(ctx, url, h)
}

// requestHeader returns what the request says.
func requestHeader(cfg *Config, to target) (http.Header, *failure) {
	cfg.Secrets.Add(secrets.OfURL(to.url)...)
	h := http.Header{}
	h.Set("X-Host-ID", cfg.HostID)
	h.Set("X-Client-Type", clientType)
	h.Set("X-Client-Protocol", "json")
	h["X-Websocket-Namespace"] = cfg.namespaces()
	h.Set("User-Agent", clientType)
	if cfg.Username == "" {
		return h, nil
	}
	password := ""
	if cfg.Password != nil {
		var err error
		if password, err = cfg.Password(); err != nil {
			return nil, &failure{reasonCredentials, fmt.Errorf("read the password (skydive.basic_auth.password_file): %w", err)}
		}
	}
	r := http.Request{Header: h}
	r.SetBasicAuth(cfg.Username, password)
	cfg.Secrets.Add(secrets.Basic(cfg.Username, password)...)
	return h, nil
}
