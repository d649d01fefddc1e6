// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"fmt"
	"net"
	"time"
)

// peerTimeout is how long an analyzer may send nothing at all. It pings every
// 2.0 s (measured), also while there is no data.
const peerTimeout = 12 * time.Second

// maxHandshake bounds what is read in bytes before the connection is
// subscribed: the answers of proxies, TLS, and the analyzer's. The library that
// reads them sets no bound.
const maxHandshake = 64 << 10

var errEndlessHandshake = fmt.Errorf("the answer to the handshake does not end within %d bytes", maxHandshake)

// liveness is a connection whose every byte puts off its read deadline, so that
// a slow large message is as good a sign of life as a ping. It is off until
// [liveness.start], because the handshake has a deadline of its own; until then
// it bounds what can be read.
type liveness struct {
	net.Conn
	timeout time.Duration
	set     time.Time // when the deadline was last put off
	read    int       // bytes before start
	endless bool      // more than maxHandshake were asked for
}

// start sets the first deadline. It and Read are called from one goroutine.
func (l *liveness) start(timeout time.Duration) error {
	l.timeout, l.set = timeout, time.Now()
	return l.SetReadDeadline(l.set.Add(timeout))
}

// Read implements [net.Conn].
func (l *liveness) Read(p []byte) (int, error) {
	if l.timeout == 0 {
		return l.readHandshake(p)
	}
	n, err := l.Conn.Read(p)
	if n > 0 {
		if now := time.Now(); now.Sub(l.set) > l.timeout/16 {
			l.set = now
			_ = l.SetReadDeadline(now.Add(l.timeout)) // a closed connection fails at the next read
		}
	}
	return n, err
}

// readHandshake fails when more than the bound is asked for, not when the bound
// is reached: what follows the handshake may have come with it.
func (l *liveness) readHandshake(p []byte) (int, error) {
	if l.read >= maxHandshake {
		l.endless = true
		return 0, errEndlessHandshake
	}
	n, err := l.Conn.Read(p[:min(len(p), maxHandshake-l.read)])
	l.read += n
	return n, err
}
