// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"
	"sync"
	"time"
)

// maxPoolAge is for how long new attempts use one pool of connections. A receiver's name
// that leads to another address is followed within that time, even if the old address
// still answers. A few new connections in five minutes are no load.
const maxPoolAge = 5 * time.Minute

// streamGrace is how long after its answer a stream of HTTP/2 may still count as open, so
// that its connection is not closed as idle.
const streamGrace = time.Second

// pool is the connections that attempts use again, and their client.
type pool struct {
	http     *http.Client
	made     time.Time
	attempts int  // under way
	retired  bool // no new attempt uses it
}

// connections is the pool that new attempts use. Those under way end in the pool in which
// they began.
type connections struct {
	mu      sync.Mutex
	current *pool
}

// use makes a pool the current one.
func (c *connections) use(p *pool) {
	p.made = time.Now()
	c.mu.Lock()
	old := c.current
	c.current = p
	if old != nil {
		old.retired = true
	}
	c.mu.Unlock()
	if old != nil {
		old.http.CloseIdleConnections()
	}
}

// take returns the pool for an attempt, a new one where it is time for that. Where none can
// be made, because a file of tls_config cannot be read, the current one stays: its attempts
// report that file.
func (c *connections) take(newPool func() (*pool, error)) *pool {
	c.mu.Lock()
	due := time.Since(c.current.made) >= maxPoolAge
	if due {
		c.current.made = time.Now() // other attempts need not wait for the file
	}
	c.mu.Unlock()
	if due {
		if p, err := newPool(); err == nil {
			c.use(p)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.attempts++
	return c.current
}

// giveBack ends an attempt.
func (c *connections) giveBack(p *pool) {
	c.mu.Lock()
	p.attempts--
	unused := p.retired && p.attempts == 0
	c.mu.Unlock()
	if unused {
		time.AfterFunc(streamGrace, p.http.CloseIdleConnections)
	}
}

// renew has the next attempt use a new pool.
func (c *connections) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.made = time.Time{}
}

// close closes connections as soon as no attempt uses them.
func (c *connections) close() {
	c.mu.Lock()
	c.current.retired = true
	p := c.current
	c.mu.Unlock()
	p.http.CloseIdleConnections()
}
