// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package loopback has addresses of this machine for what tests start, stop and
// start again. A port of 127.0.0.1 that was free, or is free between two lives of
// a server, may be given to anybody's connection meanwhile. But all of 127.0.0.0/8
// is this machine, and so large that an address picked at random is unused.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// Address returns a host:port of this machine that only the caller uses. The
// port is below those that connections are given.
func Address() string {
	return fmt.Sprintf("127.%d.%d.%d:%d", 128+rand.N(127), rand.N(256), 1+rand.N(254), 20000+rand.N(10000))
}

// patience is how long an address may be in use by what has just been closed.
const patience = 10 * time.Second

// Listen listens at an address of one's own, again where a listener there was just
// closed: a child process that is being started has a copy of it until it executes
// its program.
func Listen(address string) (net.Listener, error) {
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		l, err := net.Listen("tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(limit) {
			return l, err
		}
	}
}
