// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package loopback has addresses of this machine for what tests start, stop and
// start again. A port of 127.0.0.1 that was free, or is free between two lives of
// a server, may be given to anybody's connection meanwhile. But all of 127.0.0.0/8
// is this machine, and so large that an address picked at random is nobody else's.
package loopback

import (
	"fmt"
	"math/rand/v2"
)

// Address returns a host:port of this machine that nobody but the caller uses. The
// port is below those that connections are given.
func Address() string {
	return fmt.Sprintf("127.%d.%d.%d:%d", 128+rand.N(127), rand.N(256), 1+rand.N(254), 20000+rand.N(10000))
}
