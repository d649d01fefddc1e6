// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"
	"sync"
	"time"
)

// maxPoolAge is for how long new attempts use the same connections. A receiver's name
// that leads to another address is followed within that time, even if the old address
// still answers. A few new connections in five minutes are no load.
const maxPoolAge = 5 * time.Minute

// connections is the client whose connections new attempts use. Those under way end in the
// client in which they began. There a connection of HTTP/1.1 is mostly closed when its attempt
// ends, any other once it was idle for the 5 minutes of prometheus/common, which are longer
// than any push_interval.
type connections struct {
	mu      sync.Mutex
	current *http.Client
	made    time.Time
}

// use has new attempts use another client.
func (c *connections) use(next *http.Client) {
	c.mu.Lock()
	old := c.current
	c.current, c.made = next, time.Now()
	c.mu.Unlock()
	if old != nil {
		old.CloseIdleConnections()
	}
}

// take returns the client for an attempt, a new one where it is time for that. Where none can
// be made, because a file of tls_config cannot be read, the current one stays: its attempts
// report that file.
func (c *connections) take(newClient func() (*http.Client, error)) *http.Client {
	c.mu.Lock()
	due := time.Since(c.made) >= maxPoolAge
	if due {
		c.made = time.Now() // other attempts need not wait for the file
	}
	c.mu.Unlock()
	if due {
		if next, err := newClient(); err == nil {
			c.use(next)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// renew has the next attempt use a new client.
func (c *connections) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = time.Time{}
}

// close closes connections that no attempt uses.
func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.CloseIdleConnections()
}
