// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"bytes"
	"maps"
	"net/http"
	"strings"
	"sync"
)

// keptRefusals bounds the texts of refused writes that are kept.
const keptRefusals = 32

// Writes is what became of the remote-write requests that arrived.
type Writes struct {
	// Requests counts them by the status of the answer.
	Requests map[int]int
	// Refusals are the texts of the first 4xx answers, as they were sent.
	Refusals []string
}

// Refused is the number of requests that were answered with a 4xx.
func (w Writes) Refused() int {
	n := 0
	for status, requests := range w.Requests {
		if status/100 == 4 {
			n += requests
		}
	}
	return n
}

// Writes tells what became of the remote-write requests so far.
func (s *Server) Writes() Writes { return s.writes.snapshot() }

type writeCounter struct {
	mu     sync.Mutex
	writes Writes
}

func (c *writeCounter) snapshot() Writes {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Writes{Requests: maps.Clone(c.writes.Requests), Refusals: append([]string(nil), c.writes.Refusals...)}
}

// count passes requests on and notes how they were answered.
func (c *writeCounter) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answerRecorder{ResponseWriter: w}
		defer func() { c.note(answer) }() // also where a fault injector aborts the connection by a panic
		next.ServeHTTP(answer, r)
	})
}

func (c *writeCounter) note(answer *answerRecorder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes.Requests == nil {
		c.writes.Requests = map[int]int{}
	}
	c.writes.Requests[answer.status]++ // 0: the connection was cut before an answer
	if answer.status/100 == 4 && len(c.writes.Refusals) < keptRefusals {
		c.writes.Refusals = append(c.writes.Refusals, strings.TrimSpace(answer.text.String()))
	}
}

// answerRecorder notes an answer's status and, of a 4xx, its text.
type answerRecorder struct {
	http.ResponseWriter
	status int
	text   bytes.Buffer
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answerRecorder) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answerRecorder) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerRecorder) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.status/100 == 4 && a.text.Len() < 4096 {
		a.text.Write(b)
	}
	return a.ResponseWriter.Write(b)
}
