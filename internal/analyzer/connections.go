// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// connections are those of a server, so that they can be cut under the feet of
// Skydive's server, which keeps those of its WebSockets to itself.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]struct{} // those of WebSockets also after their end
}

// track is a server's ConnState.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = struct{}{}
	case http.StateClosed:
		delete(c.open, conn)
	}
}

// cut closes every open connection without a word and returns how many there were.
func (c *connections) cut() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		if secure, ok := conn.(*tls.Conn); ok {
			conn = secure.NetConn()
		}
		if conn.Close() == nil {
			n++
		}
	}
	clear(c.open)
	return n
}
