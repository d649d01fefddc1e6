// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"
)

// TokenFault is what an OAuth2 token endpoint does wrong.
type TokenFault int32

// What a token endpoint can do wrong.
const (
	TokenWorks    TokenFault = iota
	TokenExpires             // its tokens are for one request: they expire at once
	TokenHangs               // accepts the request and never answers
	TokenTrickles            // answers, byte after byte, and never ends
	TokenEchoes              // refuses, with the request's headers and form as reason
)

// TokenPrefix is what every token begins with.
const TokenPrefix = "t0ken-of-fetch-"

// TokenServer is an OAuth2 token endpoint. The fault can be set at any time; it is
// that of the requests that arrive from then on.
type TokenServer struct {
	server  *httptest.Server
	fault   atomic.Int32
	fetches atomic.Int64
	closed  chan struct{}
	close   sync.Once
}

// StartTokens serves tokens on a free port of 127.0.0.1.
func StartTokens() *TokenServer {
	s := &TokenServer{closed: make(chan struct{})}
	s.server = httptest.NewServer(s)
	return s
}

// URL is the token_url.
func (s *TokenServer) URL() string { return s.server.URL + "/token" }

// SetFault sets what goes wrong.
func (s *TokenServer) SetFault(f TokenFault) { s.fault.Store(int32(f)) }

// Fetches is how many requests have arrived.
func (s *TokenServer) Fetches() int { return int(s.fetches.Load()) }

// Close ends hanging requests and stops serving.
func (s *TokenServer) Close() {
	s.close.Do(func() {
		close(s.closed)
		s.server.Close()
	})
}

// ServeHTTP answers a request for a token, with one that says which it is.
func (s *TokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.fetches.Add(1)
	fault := TokenFault(s.fault.Load())
	form, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the client has gone
	}
	switch fault {
	case TokenHangs:
		s.wait(r, nil)
	case TokenTrickles:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		for tick := time.NewTicker(time.Millisecond); s.wait(r, tick.C); {
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
		}
	case TokenEchoes:
		w.WriteHeader(http.StatusBadRequest)
		echo(w, r)
		_, _ = fmt.Fprintf(w, "\r\n%s\n", form)
	default:
		seconds := 3600
		if fault == TokenExpires {
			seconds = 1
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token": "%s%d", "token_type": "Bearer", "expires_in": %d}`, TokenPrefix, n, seconds)
	}
}

// wait waits for next; false when the client has gone or the server is closed.
func (s *TokenServer) wait(r *http.Request, next <-chan time.Time) bool {
	select {
	case <-next:
		return true
	case <-r.Context().Done():
	case <-s.closed:
	}
	return false
}
