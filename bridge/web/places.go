// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// places bounds how many things of a kind, requests or connections, peers have at once.
// It may be used from many goroutines.
type places struct {
	share func(taken int) int // how many a peer may have where so many are taken by all

	mu    sync.Mutex
	taken int
	held  map[netip.Addr]int
}

func newPlaces(share func(taken int) int) *places {
	return &places{share: share, held: map[netip.Addr]int{}}
}

// fairly bounds how many places there are. A peer gets another one only while it has
// fewer than are free: of eight a single peer takes four, the next one two, and there is
// always one left for a peer that has none, until four of them share the eight.
func fairly(most int) (share func(taken int) int) {
	return func(taken int) int { return most - taken }
}

// enter takes a place for a client; if there is one for its peer, leave must follow.
func (p *places) enter(client netip.Addr) (leave func(), ok bool) {
	addr := peer(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[addr] >= p.share(p.taken) {
		return nil, false
	}
	p.held[addr]++
	p.taken++
	return func() { p.leave(addr) }, true
}

func (p *places) leave(addr netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.held[addr]--; p.held[addr] == 0 {
		delete(p.held, addr)
	}
}

// client returns the address that a request comes from. What has none, such as a Unix
// socket's client, is one client, the zero Addr.
func client(r *http.Request) netip.Addr {
	remote, _ := netip.ParseAddrPort(r.RemoteAddr)
	return remote.Addr()
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
