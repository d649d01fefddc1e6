// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/credentials"
	"github.com/skydive-project/skybridge/secrets"
)

// Settings are how the bridge reaches analyzers and authenticates there, validated.
type Settings struct {
	// HTTP is authentication, headers, TLS and proxy, whose files are read at each request.
	HTTP config.HTTPClientConfig
	// Headers are added to each request.
	Headers map[string]string
	// Login: basic authentication is for POST /login alone, whose token and cookies
	// authenticate the rest.
	Login bool
	// Proxy says through which proxy a request goes. Nil means as HTTP says.
	Proxy Proxy
}

// Account is how the bridge authenticates. It may be used concurrently.
type Account struct {
	Transport

	settings Settings
	each     *credentials.Credentials // of each request
	logins   *logins                  // nil: there are none
}

// NewAccount makes an account of settings, and has set learn its secrets.
func NewAccount(settings Settings, set *secrets.Set) (*Account, error) {
	set.Add(secrets.OfReceiver("", settings.Headers, &settings.HTTP)...)
	a := &Account{Transport{set, settings.HTTP.TLSConfig, settings.Proxy}, settings, nil, nil}
	if a.proxy == nil {
		a.proxy = a.settings.HTTP.Proxy()
	}
	each := settings.HTTP
	if settings.Login {
		each.BasicAuth = nil
	}
	var err error
	if a.each, err = credentials.New(&each, settings.Headers, HandshakeTimeout, set); err == nil && settings.Login {
		a.logins, err = newLogins(&a.Transport, a.each, settings.HTTP.BasicAuth)
	}
	return a, err
}

// Authorize adds the credentials to a request's header, and has Secrets learn them. It
// waits for a login or a token, for HandshakeTimeout at most.
func (a *Account) Authorize(ctx context.Context, h http.Header, to Target) error {
	a.Secrets.Add(secrets.OfURL(to.URL)...)
	if err := a.each.Add(ctx, h); err != nil {
		return fmt.Errorf("skydive.%w", err)
	}
	if a.logins != nil {
		return a.logins.authorize(ctx, h, to)
	}
	return nil
}

// Request makes a request to a part of the API, which answers in JSON, with the
// credentials. The error is that of [Account.Authorize].
func (a *Account) Request(ctx context.Context, method string, to Target, path string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, to.API(path), body)
	if err != nil { // it was parsed before
		return nil, errors.New("the analyzer's URL cannot be used")
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", ClientType)
	return request, a.Authorize(ctx, request.Header, to)
}

// Refusal is an answer's status, and the beginning of its body without secrets. After one
// that may mean that a token or a cookie is no longer valid, the next request fetches
// another: analyzers answer 401, proxies also 403, or redirect to their login.
func (a *Account) Refusal(to Target, resp *http.Response) string {
	redirected := resp.StatusCode/100 == 3
	if resp.StatusCode == http.StatusUnauthorized {
		a.each.Forget()
	}
	if a.logins != nil && (redirected || resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden) {
		a.logins.forget(to)
	}
	return a.Transport.Refusal(resp)
}

// Unauthorized is the error that HTTP 401 means.
func (a *Account) Unauthorized(refusal string) error {
	remedy := "check skydive.basic_auth, authorization, oauth2 or the headers of skydive, and their files"
	if h := a.settings.HTTP; h.BasicAuth == nil && h.Authorization == nil && h.OAuth2 == nil && h.HTTPHeaders == nil && len(a.settings.Headers) == 0 {
		remedy = "it wants credentials: set skydive.basic_auth.username and skydive.basic_auth.password_file, or skydive.authorization"
	}
	return fmt.Errorf("the analyzer refuses the credentials (%s): %s", refusal, remedy)
}

// Same reports whether a connection made with a is the one that o would make. Secrets and
// what files hold are not compared: they are read at each connect, and what is connected
// has no need of them.
func (a *Account) Same(o *Account) bool {
	was, now := &a.settings.HTTP, &o.settings.HTTP
	return username(was) == username(now) && was.TLSConfig == now.TLSConfig && reflect.DeepEqual(was.ProxyURL.URL, now.ProxyURL.URL)
}

func username(c *config.HTTPClientConfig) string {
	if c.BasicAuth == nil {
		return ""
	}
	return c.BasicAuth.Username + c.BasicAuth.UsernameFile
}
