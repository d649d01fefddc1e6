// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// One message of very many tiny flows costs no more memory than the bound: what
// is beyond it is counted as malformed, and its syntax still checked.
func TestFlowsOfAMessageAreBounded(t *testing.T) {
	many := soundFlow + strings.Repeat(`,`+soundFlow, maxFlows-1)
	const tiny = `,{"UUID":"u","Metric":{}}`
	for _, c := range []struct {
		name, msg        string
		flows, malformed int
		failed           bool
	}{
		{"as many as allowed", flowMessage(`[` + many + `]`), maxFlows, 0, false},
		{"some more", flowMessage(`[` + many + strings.Repeat(tiny, 904) + `]`), maxFlows, 904, false},
		{"unsound ones take no room", flowMessage(`[{},` + many + `,{},1]`), maxFlows, 3, false},
		{"Obj first", `{"Obj":[` + many + tiny + `],"Type":"store","Namespace":"flow"}`, maxFlows, 1, false},
		{"broken beyond the bound", flowMessage(`[` + many + tiny + `,{"UUID":}` + tiny + `]`), maxFlows, 1, true},
		{"very many more", flowMessage(`[` + many + strings.Repeat(tiny, 50000) + `]`), maxFlows, 50000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			var m Message
			got := compare(t, &d, &m, []byte(c.msg))
			if len(got.flows) != c.flows || got.malformed != c.malformed || got.failed != c.failed {
				t.Errorf("%d flows, %d malformed, failed %v", len(got.flows), got.malformed, got.failed)
			}
			if cap(m.Flows) > 2*maxFlows {
				t.Errorf("room for %d flows", cap(m.Flows))
			}
			if c.name == "some more" && !strings.Contains(m.FirstError.Error(), "more than 4096 flows in one message") {
				t.Errorf("the error is %v", m.FirstError)
			}
		})
	}
}

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
