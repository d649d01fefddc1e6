// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// peerListener bounds how many connections one address has at a time and closes
// further ones at once, so that no address takes all places.
//
// It is what keeps guessing passwords harmless, too. exporter-toolkit checks one
// password at a time, which takes about 60 ms of one core at bcrypt's cost of 10;
// a client with the right one waits behind those who guess. So how long is bounded by
// how many requests one address can have under way: this many connections, with
// limits.streams each over HTTP/2.
type peerListener struct {
	net.Listener
	open    *places
	refused prometheus.Counter
}

func newPeerListener(l net.Listener, most int, refused prometheus.Counter) *peerListener {
	return &peerListener{l, newPlaces(func(int) int { return most }), refused}
}

// Accept returns the next connection of an address that has room for it. What has no
// address, such as a Unix socket's client, is not bounded here.
func (l *peerListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
		if !ok {
			return conn, nil
		}
		if leave, ok := l.open.enter(tcp.AddrPort().Addr()); ok {
			return &peerConn{conn, sync.OnceFunc(leave)}, nil
		}
		l.refused.Inc()
		_ = conn.Close() // nothing was said yet
	}
}

// peerConn gives its place back when it is closed, once; before its client can see
// that, who may come again at once.
type peerConn struct {
	net.Conn
	leave func()
}

func (c *peerConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
