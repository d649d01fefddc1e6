// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/netip"
	"sync"
)

// places bounds how many requests of a kind are served at once. A peer gets another
// place only while it has fewer than are free: of eight a single peer takes four, the
// next one two, and there is always one left for a peer that has none, until four of
// them share the eight. It may be used from many goroutines.
type places struct {
	most int

	mu    sync.Mutex
	taken int
	held  map[netip.Addr]int
}

func newPlaces(most int) *places { return &places{most: most, held: map[netip.Addr]int{}} }

// enter takes a place for a request; if there is one for its peer, leave must follow.
func (p *places) enter(r *http.Request) (leave func(), ok bool) {
	// What has no address, such as a Unix socket's client, is one peer, the zero Addr.
	remote, _ := netip.ParseAddrPort(r.RemoteAddr)
	addr := peer(remote.Addr())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[addr] >= p.most-p.taken {
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
