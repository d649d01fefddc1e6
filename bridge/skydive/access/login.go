// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/credentials"
	"github.com/skydive-project/skybridge/secrets"
)

const (
	loginPath = "/login"
	// maxLogins bounds the tokens that are kept, maxLogin the size of an answer.
	maxLogins = 256
	maxLogin  = 64 << 10
)

// logins are the headers that authenticate after a login, by analyzer.
type logins struct {
	transport *Transport
	each      *credentials.Credentials // of each request, a login's among them
	basic     *credentials.Credentials

	mu     sync.Mutex
	header map[string]http.Header
}

func newLogins(t *Transport, each *credentials.Credentials, user *config.BasicAuth) (*logins, error) {
	basic, err := credentials.New(&config.HTTPClientConfig{BasicAuth: user}, nil, HandshakeTimeout, t.Secrets)
	return &logins{transport: t, each: each, basic: basic, header: map[string]http.Header{}}, err
}

// authorize adds the headers of a login, which is made where there is none yet.
func (l *logins) authorize(ctx context.Context, h http.Header, to Target) error {
	given := l.of(to)
	if given == nil {
		var err error
		if given, err = l.login(ctx, to); err != nil {
			return fmt.Errorf("log in at the analyzer (skydive.login): %w", err)
		}
		l.keep(to, given)
	}
	for name, values := range given {
		h[name] = slices.Concat(h[name], values)
	}
	return nil
}

func (l *logins) of(to Target) http.Header {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.header[to.Name]
}

func (l *logins) keep(to Target, h http.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.header) >= maxLogins {
		l.header = map[string]http.Header{}
	}
	l.header[to.Name] = h
}

func (l *logins) forget(to Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.header, to.Name)
}

// login logs in and returns the headers that its answer stands for: Skydive's token, as it
// reads it (skydive-feed.md), and all cookies, which may be a proxy's.
func (l *logins) login(ctx context.Context, to Target) (http.Header, error) {
	basic := &http.Request{Header: http.Header{}}
	if err := l.basic.Add(ctx, basic.Header); err != nil {
		return nil, err
	}
	username, password, _ := basic.BasicAuth()
	client := l.transport.Client(to, HandshakeTimeout)
	defer client.CloseIdleConnections()
	form := url.Values{"username": {username}, "password": {password}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.API(loginPath), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the analyzer's URL cannot be used")
	}
	if err := l.each.Add(ctx, request.Header); err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("User-Agent", ClientType)
	response, err := client.Do(request)
	if err != nil {
		return nil, errors.New(l.transport.Text(secrets.WithoutURL(err)))
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return nil, fmt.Errorf("the analyzer refuses the credentials (%s): check skydive.basic_auth and its files", l.transport.Refusal(response))
	default:
		return nil, fmt.Errorf("the analyzer answers %s", l.transport.Refusal(response))
	}
	var answer struct{ Token string }
	if err := json.NewDecoder(io.LimitReader(response.Body, maxLogin)).Decode(&answer); err != nil {
		return nil, errors.New("the answer is no JSON")
	}
	given, cookies := http.Header{}, &http.Request{Header: http.Header{}}
	if answer.Token != "" {
		l.transport.Secrets.Add(secrets.Secret{Text: answer.Token})
		given.Set("X-Auth-Token", answer.Token)
	}
	for _, cookie := range response.Cookies() {
		l.transport.Secrets.Add(secrets.Secret{Text: cookie.Value})
		cookies.AddCookie(cookie)
	}
	maps.Copy(given, cookies.Header)
	return given, nil
}
