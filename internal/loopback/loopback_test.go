// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package loopback_test

import (
	"net"
	"testing"

	"github.com/skydive-project/skybridge/internal/loopback"
)

// An address can be listened on, again and again, and leads here.
func TestAddress(t *testing.T) {
	address := loopback.Address()
	for range 3 {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if !conn.RemoteAddr().(*net.TCPAddr).IP.IsLoopback() {
			t.Errorf("%s is elsewhere", address)
		}
		conn.Close()
		l.Close()
	}
	if loopback.Address() == address {
		t.Errorf("%s twice", address)
	}
}
