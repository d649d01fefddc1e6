// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/secrets"
)

// credentials is the part of a client's transport that adds what is for the
// configured receiver alone: custom headers and authentication. It never waits
// longer than a request's context. (The transport of prometheus/common reads files
// that may be pipes, and fetches tokens without a timeout.)
type credentials struct {
	next    http.RoundTripper
	headers http.Header
	cfg     *config.HTTPClientConfig
	secrets *secrets.Set
	tokens  *tokens // nil: no OAuth2
}

// credentialsError says why a request was not sent.
type credentialsError struct{ error }

// RoundTrip implements [http.RoundTripper].
func (c *credentials) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	// On a redirect it has the URL, which can hold a token.
	out.Header.Del("Referer")
	var resp *http.Response
	var err error
	if !redirectedAway(req) {
		if err = c.add(req.Context(), out.Header); err != nil {
			err = &credentialsError{err}
		}
	}
	if err == nil {
		resp, err = c.next.RoundTrip(out)
	}
	if err != nil && req.Body != nil {
		_ = req.Body.Close() // as a transport has to; that of prometheus/common does not where it reads files
	}
	return resp, err
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (c *credentials) CloseIdleConnections() {
	if next, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// add sets the headers, but those that the protocol has set.
func (c *credentials) add(ctx context.Context, h http.Header) error {
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
func (c *credentials) authorize(ctx context.Context, req *http.Request) error {
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

func (c *credentials) basic(ctx context.Context, req *http.Request) (err error) {
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
func (c *credentials) inlineOr(text, file string) (string, error) {
	if file == "" {
		return text, nil
	}
	return c.secrets.ReadFile(file)
}
