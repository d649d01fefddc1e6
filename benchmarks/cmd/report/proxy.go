// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxy carries TCP connections to an address, each byte a while later: a network with
// a long way. While it is closed it hangs up at once.
type proxy struct {
	listener net.Listener
	target   string
	delay    time.Duration // each way
	open     atomic.Bool

	mu      sync.Mutex
	conns   map[net.Conn]struct{} // nil: stopped
	running sync.WaitGroup
}

func startProxy(target string, delay time.Duration) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &proxy{listener: l, target: target, delay: delay, conns: map[net.Conn]struct{}{}}
	p.running.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			p.running.Go(func() { p.carry(conn) })
		}
	})
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) stop() {
	_ = p.listener.Close()
	p.mu.Lock()
	for conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.running.Wait()
}

// keep notes a connection to be closed by stop.
func (p *proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		return false
	}
	p.conns[conn] = struct{}{}
	return true
}

func (p *proxy) drop(conn net.Conn) {
	_ = conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
}

func (p *proxy) carry(near net.Conn) {
	defer p.drop(near)
	if !p.keep(near) || !p.open.Load() {
		return
	}
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer p.drop(far)
	if !p.keep(far) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			p.later(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
}

// parcel is what was read at once, to be handed on at a time.
type parcel struct {
	data []byte
	due  time.Time
}

// later copies what comes from one connection to the other, each byte after the delay.
// What is on the way is bounded, as on a real path: 4 MiB.
func (p *proxy) later(from, to net.Conn) {
	const parcelBytes = 64 << 10
	way, free := make(chan parcel, 64), make(chan []byte, 66)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(way)
		for {
			var data []byte
			select {
			case data = <-free:
			default:
				data = make([]byte, parcelBytes)
			}
			n, err := from.Read(data)
			if n > 0 {
				way <- parcel{data[:n], time.Now().Add(p.delay)}
			}
			if err != nil {
				return
			}
		}
	})
	for x := range way {
		time.Sleep(time.Until(x.due))
		if _, err := to.Write(x.data); err != nil {
			_ = from.Close() // what is still read is thrown away
			continue
		}
		select {
		case free <- x.data[:parcelBytes]:
		default:
		}
	}
	reading.Wait()
}
