// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"net/http"
	"sync"
)

// inflight counts the requests that are being answered. A WaitGroup would be a
// data race here: requests come while Stop waits.
type inflight struct {
	mu   sync.Mutex
	idle sync.Cond
	n    int
}

func newInflight() *inflight {
	f := &inflight{}
	f.idle.L = &f.mu
	return f
}

func (f *inflight) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.n++
		f.mu.Unlock()
		defer func() {
			f.mu.Lock()
			f.n--
			f.idle.Broadcast()
			f.mu.Unlock()
		}()
		next.ServeHTTP(w, r)
	})
}

func (f *inflight) wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.n > 0 {
		f.idle.Wait()
	}
}
