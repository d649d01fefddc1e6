// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package loopback_test

import (
	"net"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/loopback"
)

// An address can be listened on, again and again, and leads here.
func TestAddress(t *testing.T) {
	address := loopback.Address()
	for range 3 {
		l, err := loopback.Listen(address)
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

// What a child process keeps for a moment is waited for; another error is not.
func TestListenAgain(t *testing.T) {
	first, err := loopback.Listen(loopback.Address())
	if err != nil {
		t.Fatal(err)
	}
	address := first.Addr().String()
	if l, err := net.Listen("tcp", address); err == nil {
		l.Close()
		t.Fatal("two listen at one address")
	}
	go func() {
		<-time.After(50 * time.Millisecond)
		first.Close()
	}()
	again, err := loopback.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if l, err := loopback.Listen("nowhere"); err == nil {
		l.Close()
		t.Error("listens nowhere")
	}
}
