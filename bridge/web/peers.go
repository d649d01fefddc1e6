// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net"
	"net/netip"
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
	most    int
	refused prometheus.Counter

	mu   sync.Mutex
	open map[netip.Addr]int
}

func newPeerListener(l net.Listener, most int, refused prometheus.Counter) *peerListener {
	return &peerListener{Listener: l, most: most, refused: refused, open: map[netip.Addr]int{}}
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
		addr := peer(tcp.AddrPort().Addr())
		if l.enter(addr) {
			return &peerConn{Conn: conn, leave: func() { l.leave(addr) }}, nil
		}
		l.refused.Inc()
		_ = conn.Close() // nothing was said yet
	}
}

// peer is what one client has: an IPv4 address, or a network of 64 bits of IPv6, whose
// addresses are for the taking.
func peer(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	network, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return network.Addr()
}

func (l *peerListener) enter(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[addr] >= l.most {
		return false
	}
	l.open[addr]++
	return true
}

func (l *peerListener) leave(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[addr]--; l.open[addr] == 0 {
		delete(l.open, addr)
	}
}

// peerConn gives its place back when it is closed, once; before its client can see
// that, who may come again at once.
type peerConn struct {
	net.Conn
	once  sync.Once
	leave func()
}

func (c *peerConn) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}
