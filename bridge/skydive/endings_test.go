// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/internal/await"
)

// Each way in which a connection can end has its reason.
func TestEndings(t *testing.T) {
	for _, c := range []struct {
		reason reason
		end    func(*websocket.Conn) error
	}{
		{reasonClosed, func(c *websocket.Conn) error {
			text := websocket.FormatCloseMessage(websocket.CloseGoingAway, "maintenance")
			return c.WriteControl(websocket.CloseMessage, text, time.Now().Add(await.Patience))
		}},
		{reasonLost, func(c *websocket.Conn) error { return c.NetConn().Close() }},
		{reasonLost, func(c *websocket.Conn) error {
			_, err := c.NetConn().Write([]byte{0x81, 0x7e, 0x10}) // half a frame's head
			_ = c.NetConn().Close()
			return err
		}},
		{reasonProtocol, func(c *websocket.Conn) error {
			_, err := c.NetConn().Write([]byte{0xff, 0x00}) // reserved bits and opcode
			return err
		}},
		{reasonTooLarge, func(c *websocket.Conn) error {
			_, err := c.NetConn().Write([]byte{0x81, 0x7f, 0x40, 0, 0, 0, 0, 0, 0, 0}) // says 2^62 bytes
			return err
		}},
	} {
		t.Run(string(c.reason), func(t *testing.T) {
			url := serveFeed(t, func(conn *websocket.Conn) {
				if c.end(conn) == nil {
					readOn(conn)
				}
			})
			r := newRig(t, Config{Analyzers: []string{url}}).run(t)
			r.waitUps(t, 2)
			if got := r.metric(t, "skybridge_reconnects_total", "reason", string(c.reason)); got < 1 {
				t.Errorf("counted %v; the log:\n%s", got, r.logs)
			}
		})
	}
}
