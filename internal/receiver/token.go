// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

// TokenPrefix is what every token begins with.
const TokenPrefix = "t0ken-of-fetch-"

// TokenServer is an OAuth2 token endpoint.
type TokenServer struct {
	server   *httptest.Server
	lifetime time.Duration
	fault    atomic.Pointer[Fault]
	fetches  atomic.Int64
}

// StartTokens serves tokens with this lifetime on a free port of 127.0.0.1. Those that
// live for a second are for one request: clients take them for expired.
func StartTokens(lifetime time.Duration) *TokenServer {
	s := &TokenServer{lifetime: lifetime}
	s.SetFault(Fault{})
	s.server = httptest.NewServer(s)
	return s
}

// URL is the token_url.
func (s *TokenServer) URL() string { return s.server.URL + "/token" }

// SetFault sets what goes wrong with the requests that arrive from now on: an answer
// with another status, one that echoes, hangs or trickles.
func (s *TokenServer) SetFault(f Fault) { s.fault.Store(&f) }

// Fetches is how many requests have arrived.
func (s *TokenServer) Fetches() int { return int(s.fetches.Load()) }

// Close ends hanging requests and stops serving.
func (s *TokenServer) Close() {
	s.server.CloseClientConnections()
	s.server.Close()
}

// ServeHTTP answers a request for a token, with one that says which it is.
func (s *TokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.fetches.Add(1)
	fault := *s.fault.Load()
	if r.ParseForm() != nil {
		return // the client has gone
	}
	if fault.hang(r, nil); r.Context().Err() != nil {
		return
	}
	if fault.Status == 0 {
		fault.Status, fault.Header = http.StatusOK, http.Header{"Content-Type": {"application/json"}}
		fault.Body = fmt.Sprintf(`{"access_token": "%s%d", "token_type": "Bearer", "expires_in": %.0f}`, TokenPrefix, n, s.lifetime.Seconds())
	}
	fault.answer(w, r)
}
