// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package credentials adds to requests what authenticates them, by the settings of
// Prometheus' HTTP clients: headers, basic authentication, an Authorization header, OAuth2.
// It never waits longer than a request's context. (The transport of prometheus/common
// reads files that may be pipes, and fetches tokens without a timeout.)
package credentials

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/secrets"
)

// Credentials are what requests to one peer need. They may be used concurrently.
type Credentials struct {
	headers http.Header
	cfg     *config.HTTPClientConfig
	secrets *secrets.Set
	tokens  *tokens // nil: no OAuth2
}

// New returns the credentials that cfg and custom headers say. set learns the secrets of
// files and tokens. A token is fetched within timeout, by a client with opts.
func New(cfg *config.HTTPClientConfig, headers map[string]string, timeout time.Duration, set *secrets.Set, opts ...config.HTTPClientOption) (*Credentials, error) {
	c := &Credentials{customHeader(headers), cfg, set, nil}
	if cfg.OAuth2 != nil {
		var err error
		if c.tokens, err = newTokens(cfg.OAuth2, timeout, set, opts...); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Forget drops the token that is held: a peer has refused it, and the next request fetches
// another one.
func (c *Credentials) Forget() {
	if c.tokens != nil {
		c.tokens.forget()
	}
}

// Close ends the fetch of a token, and waits for it. Requests that wait for one fail.
func (c *Credentials) Close() {
	if c.tokens != nil {
		c.tokens.close()
	}
}

// customHeader is the headers of the configuration without those that are HTTP's.
func customHeader(custom map[string]string) http.Header {
	h := make(http.Header, len(custom))
	for name, value := range custom {
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade", "Retry-Attempt":
		default:
			h.Set(name, value)
		}
	}
	return h
}

// Transport returns the part of a client's transport that adds the credentials, to
// requests that no redirect led away.
func (c *Credentials) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{c, next}
}

type transport struct {
	credentials *Credentials
	next        http.RoundTripper
}

// Error says why a request was not sent.
type Error struct{ error }

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	// On a redirect it has the URL, which can hold a token.
	out.Header.Del("Referer")
	var resp *http.Response
	var err error
	if !redirectedAway(req) {
		if err = t.credentials.Add(req.Context(), out.Header); err != nil {
			err = &Error{err}
		}
	}
	if err == nil {
		resp, err = t.next.RoundTrip(out)
	}
	if err != nil && req.Body != nil {
		_ = req.Body.Close() // as a transport has to; that of prometheus/common does not where it reads files
	}
	return resp, err
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *transport) CloseIdleConnections() {
	if next, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// Add sets the headers, but those that the protocol has set. The error names the key.
func (c *Credentials) Add(ctx context.Context, h http.Header) error {
	for name, values := range c.headers {
		if _, set := h[name]; !set {
			h[name] = values
		}
	}
	if c.cfg.HTTPHeaders != nil {
		for name, header := range c.cfg.HTTPHeaders.Headers {
			for _, value := range header.Values {
				h.Add(name, value)
			}
			for _, value := range header.Secrets {
				h.Add(name, string(value))
			}
			for _, file := range header.Files {
				value, err := c.secrets.ReadFile(file)
				if err != nil {
					return fmt.Errorf("http_headers: %w", err)
				}
				h.Add(name, value)
			}
		}
	}
	return c.authorize(ctx, &http.Request{Header: h})
}

// authorize sets the Authorization header.
func (c *Credentials) authorize(ctx context.Context, req *http.Request) error {
	switch {
	case c.cfg.BasicAuth != nil:
		return c.basic(ctx, req)
	case c.cfg.Authorization != nil:
		a := c.cfg.Authorization
		text, err := c.inlineOr(string(a.Credentials), a.CredentialsFile)
		if err != nil {
			return fmt.Errorf("authorization.credentials_file: %w", err)
		}
		req.Header.Set("Authorization", a.Type+" "+text)
	case c.tokens != nil:
		token, err := c.tokens.get(ctx)
		if err != nil {
			return err
		}
		token.SetAuthHeader(req)
	}
	return nil
}

func (c *Credentials) basic(ctx context.Context, req *http.Request) (err error) {
	a := c.cfg.BasicAuth
	username := a.Username
	if a.UsernameFile != "" { // no secret, and often an ordinary word
		if username, err = c.secrets.Fetch(ctx, a.UsernameFile); err != nil {
			return fmt.Errorf("basic_auth.username_file: %w", err)
		}
	}
	password, err := c.inlineOr(string(a.Password), a.PasswordFile)
	if err != nil {
		return fmt.Errorf("basic_auth.password_file: %w", err)
	}
	c.secrets.Add(secrets.Basic(username, password)...)
	req.SetBasicAuth(username, password)
	return nil
}

// inlineOr returns text, or what a file holds now where there is one.
func (c *Credentials) inlineOr(text, file string) (string, error) {
	if file == "" {
		return text, nil
	}
	return c.secrets.ReadFile(file)
}
