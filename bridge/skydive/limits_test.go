// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"errors"
	"io"
	"net"
	"testing"
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
