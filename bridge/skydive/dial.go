// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// handshakeTimeout bounds the way from the first packet to the 101.
	handshakeTimeout = 10 * time.Second
	readBuffer       = 32 << 10
	// clientType is what the bridge is to the analyzer, which asks for some
	// word here and closes the connection without one (measured).
	clientType = "skybridge"
)

// dial subscribes to the analyzer. A failure's text names the configuration key
// to look at where there is one, and never a secret.
func dial(ctx context.Context, cfg *Config, to target) (*websocket.Conn, *liveness, *failure) {
	header, fail := requestHeader(cfg)
	if fail != nil {
		return nil, nil, fail
	}
	var alive *liveness
	stop := func() bool { return true }
	dialer := websocket.Dialer{
		Proxy:            http.ProxyFromEnvironment,
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
	conn, resp, err := dialer.DialContext(ctx, to.url, header)
	if !stop() && err == nil {
		_ = conn.Close()
		return nil, nil, unreached(ctx.Err())
	}
	if err == nil {
		return conn, alive, nil
	}
	if resp != nil && errors.Is(err, websocket.ErrBadHandshake) {
		return nil, nil, refused(cfg, resp)
	}
	return nil, nil, unreached(err)
}

func requestHeader(cfg *Config) (http.Header, *failure) {
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
	return h, nil
}

// refused says what an answer other than 101 means.
func refused(cfg *Config, resp *http.Response) *failure {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 256)) // it is in memory already
	status := fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if text := strings.TrimSpace(string(body)); text != "" {
		status += fmt.Sprintf(", %q", text)
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		remedy := "check skydive.basic_auth.username and skydive.basic_auth.password_file"
		if cfg.Username == "" {
			remedy = "it wants credentials: set skydive.basic_auth.username and skydive.basic_auth.password_file"
		}
		return &failure{reasonUnauthorized, fmt.Errorf("the analyzer refuses the credentials (%s): %s", status, remedy)}
	case http.StatusConflict:
		return &failure{reasonConflict, fmt.Errorf("a client with host id %q is still connected (%s): "+
			"an earlier connection of this bridge, which the analyzer gives up after 7 s, "+
			"or another bridge with the same skydive.host_id", cfg.HostID, status)}
	case http.StatusNotFound:
		return &failure{reasonHTTP, fmt.Errorf("no flow feed at this address (%s): check the port and path of skydive.analyzers", status)}
	}
	return &failure{reasonHTTP, fmt.Errorf("the analyzer answers %s", status)}
}

// unreached says why there was no answer.
func unreached(err error) *failure {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	if errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) {
		return &failure{reasonTLS, fmt.Errorf("TLS: %w: check skydive.tls_config and whether the analyzer speaks TLS", err)}
	}
	return &failure{reasonDial, fmt.Errorf("connect: %w", err)}
}
