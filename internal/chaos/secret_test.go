// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
)

// Secrets of the configuration, which no text of the bridge may show.
const (
	apiKey       = "key-7d1f0c52"
	clientSecret = "client-93ab4e6f"
	accessToken  = "token-50c1d8e7"
	urlSecret    = "signature-2b6e9f04"
)

// leaked returns the secrets that stand in a text.
func leaked(text string) (found []string) {
	for _, secret := range []string{apiKey, clientSecret, accessToken, urlSecret} {
		if strings.Contains(text, secret) {
			found = append(found, secret)
		}
	}
	return found
}

// tokenEndpoint is an OAuth2 token endpoint that hangs at times, and at others
// refuses with the request that it got.
type tokenEndpoint struct {
	server *httptest.Server
	ended  chan struct{}

	mu    sync.Mutex
	kind  kind
	given int
}

func newTokenEndpoint(t *testing.T) *tokenEndpoint {
	e := &tokenEndpoint{ended: make(chan struct{})}
	e.server = httptest.NewServer(e)
	t.Cleanup(func() {
		close(e.ended)
		e.server.Close()
	})
	return e
}

func (e *tokenEndpoint) set(kind kind) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kind = kind
}

// ServeHTTP implements http.Handler. A token is for one request: it expires at once.
func (e *tokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	kind := e.kind
	e.given++
	e.mu.Unlock()
	switch kind {
	case tokensHang:
		<-e.ended // whatever the sender does
	case tokensRefused:
		echo(w, r, http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":1}`, accessToken)
	}
}

// echo answers with the request, as some proxies do with what they refuse.
func echo(w http.ResponseWriter, r *http.Request, status int) {
	http.Error(w, requestText(r), status)
}

func requestText(r *http.Request) string {
	text, err := httputil.DumpRequest(r, r.Header.Get("Content-Encoding") == "")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// otherHost is a host that requests are redirected to. It stores nothing, and notes
// what secrets it is sent.
type otherHost struct {
	server *httptest.Server

	mu       sync.Mutex
	requests int
	seen     []string
}

func newOtherHost(t *testing.T) *otherHost {
	s := &otherHost{}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

// url is that of another host than the receivers' 127.0.0.1.
func (s *otherHost) url() string {
	return strings.Replace(s.server.URL, "127.0.0.1", "localhost", 1) + "/elsewhere"
}

// ServeHTTP implements http.Handler.
func (s *otherHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	s.seen = append(s.seen, leaked(requestText(r))...)
	s.mu.Unlock()
	http.Error(w, "no receiver", http.StatusServiceUnavailable)
}
