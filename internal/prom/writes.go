// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Refused returns the texts of the 4xx answers to remote-write requests so far.
func (s *Server) Refused() []string {
	s.refusals.mu.Lock()
	defer s.refusals.mu.Unlock()
	return slices.Clone(s.refusals.texts)
}

type refusals struct {
	mu    sync.Mutex
	texts []string
}

// keep passes requests on and keeps what refuses them.
func (r *refusals) keep(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, req)
		if answer.Code/100 == 4 {
			r.mu.Lock()
			r.texts = append(r.texts, strings.TrimSpace(answer.Body.String()))
			r.mu.Unlock()
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}
