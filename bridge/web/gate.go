// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"sync"
)

// gate counts the requests inside and can be closed. (A sync.WaitGroup would not
// do: a connection closed by the server may be about to enter its handler.)
type gate struct {
	mu     sync.Mutex
	inside int
	empty  chan struct{} // not nil once closed; then closed when inside is 0
}

// enter reports whether the request may continue; if so, leave must follow.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty != nil {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.empty != nil {
		close(g.empty)
	}
}

// close lets no request in any more, waits until all have left or ctx ends, and
// returns how many are still inside. It is called once.
func (g *gate) close(ctx context.Context) int {
	g.mu.Lock()
	g.empty = make(chan struct{})
	if g.inside == 0 {
		close(g.empty)
	}
	g.mu.Unlock()
	select {
	case <-g.empty:
		return 0
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}
