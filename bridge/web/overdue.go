// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"time"
)

// Overdue returns for how long the server's own handler has not answered the
// request for /-/ready that a call before made, 0 where it did; then it makes
// another. Whatever the answer was, it shows that handlers run. The request goes past
// the listener: one that is full is no sign that anything hangs, and no client may have
// the bridge killed by filling it.
func (s *Server) Overdue() time.Duration {
	if !s.asking.CompareAndSwap(false, true) {
		return s.answerDue.Overdue()
	}
	s.answerDue.Busy()
	go func() {
		defer s.asking.Store(false)
		defer s.answerDue.Idle()
		defer func() { _ = recover() }() // an answer too; it was counted and logged
		r, err := http.NewRequestWithContext(s.life, http.MethodGet, s.paths.prefix+readyPath, http.NoBody)
		if err == nil { // neither method nor URL can be wrong
			s.handler.ServeHTTP(nowhere{}, r)
		}
	}()
	return 0
}

// nowhere takes an answer that is not read.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}
