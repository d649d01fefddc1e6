// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package analyzer is a Skydive analyzer as far as a flow subscriber can tell:
// the HTTP and WebSocket server are Skydive's own code (module graffiti), the
// flows are the caller's. It serves tests of other packages and the demo.
//
// It has the real one's habits, good and bad: pings every 2 s, drops who does
// not pong, answers 409 to a host id that is still connected, and forgets every
// subscriber's namespaces when any of them disconnects.
package analyzer
