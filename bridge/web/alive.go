// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"sync"
	"time"
)

// signOfLife is a request that the server makes of itself.
type signOfLife struct {
	mu       sync.Mutex
	asked    time.Time
	answered chan struct{} // closed with the answer; nil: nothing was asked
}

// Silence returns for how long the server's own handler has not answered the
// request for /-/ready that the call before made, 0 where it did; then it makes
// another. Whatever the answer was, it shows that handlers run. The request goes past
// the listener: one that is full is no sign that anything hangs, and nobody may have
// the bridge killed by filling it.
func (s *Server) Silence() time.Duration {
	a := &s.alive
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answered != nil {
		select {
		case <-a.answered:
		default:
			return time.Since(a.asked)
		}
	}
	r, err := http.NewRequestWithContext(s.life, http.MethodGet, "/-/ready", http.NoBody)
	if err != nil {
		return 0 // neither method nor URL can be wrong
	}
	answered := make(chan struct{})
	a.asked, a.answered = time.Now(), answered
	go func() {
		defer close(answered)
		defer func() { _ = recover() }() // an answer too; it was counted and logged
		s.handler.ServeHTTP(nowhere{}, r)
	}()
	return 0
}

// nowhere takes an answer that nobody reads.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}
