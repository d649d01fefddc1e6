// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"net"
	"time"
)

// peerTimeout is how long an analyzer may send nothing at all. It pings every
// 2.0 s (measured), in the middle of nothing as well.
const peerTimeout = 12 * time.Second

// liveness is a connection whose every byte puts off its read deadline, so that
// a slow large message is as good a sign of life as a ping. It is off until
// [liveness.start], because the handshake has a deadline of its own.
type liveness struct {
	net.Conn
	timeout time.Duration
	set     time.Time // when the deadline was last put off
}

// start sets the first deadline. It and Read are called from one goroutine.
func (l *liveness) start(timeout time.Duration) error {
	l.timeout, l.set = timeout, time.Now()
	return l.SetReadDeadline(l.set.Add(timeout))
}

// Read implements [net.Conn].
func (l *liveness) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 && l.timeout > 0 {
		if now := time.Now(); now.Sub(l.set) > l.timeout/16 {
			l.set = now
			_ = l.SetReadDeadline(now.Add(l.timeout)) // a closed connection fails at the next read
		}
	}
	return n, err
}
