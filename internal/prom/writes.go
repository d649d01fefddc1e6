// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"bytes"
	"net/http"
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
		answer := &answerRecorder{ResponseWriter: w}
		next.ServeHTTP(answer, req)
		if answer.status/100 == 4 {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.texts = append(r.texts, strings.TrimSpace(answer.text.String()))
		}
	})
}

// answerRecorder notes an answer's status and, of a 4xx, its text.
type answerRecorder struct {
	http.ResponseWriter
	status int
	text   bytes.Buffer
}

func (a *answerRecorder) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerRecorder) Write(b []byte) (int, error) {
	if a.status/100 == 4 {
		a.text.Write(b)
	}
	return a.ResponseWriter.Write(b)
}
