// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Before it is subscribed, a connection gives no more than the bound; after it,
// whatever comes.
func TestHandshakeIsBounded(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _, _ = here.Close(), there.Close() }()
	go func() {
		for b := make([]byte, 1000); ; {
			if _, err := there.Write(b); err != nil {
				return
			}
		}
	}()
	alive := &liveness{Conn: here}
	if n, err := io.Copy(io.Discard, io.LimitReader(alive, maxHandshake)); n != maxHandshake || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := alive.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errEndlessHandshake) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := alive.start(peerTimeout); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(alive, 3*maxHandshake)); n != 3*maxHandshake || err != nil {
		t.Errorf("subscribed: %d bytes, %v", n, err)
	}
}

// Whatever comes, a single byte of a slow message too, puts the deadline off.
func TestLiveness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer func() { _, _ = here.Close(), there.Close() }()
		alive := &liveness{Conn: here}
		if err := alive.start(peerTimeout); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		go func() {
			for range 20 {
				<-time.After(peerTimeout / 2)
				_, _ = there.Write([]byte("x"))
			}
		}()
		b := make([]byte, 1)
		for i := range 20 {
			if _, err := alive.Read(b); err != nil {
				t.Fatalf("read %d: %v", i, err)
			}
		}
		_, err := alive.Read(b)
		var timeout net.Error
		if took := time.Since(begin); !errors.As(err, &timeout) || !timeout.Timeout() || took != 11*peerTimeout {
			t.Errorf("%v after %v", err, took)
		}
	})
}
