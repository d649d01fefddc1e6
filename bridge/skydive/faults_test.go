// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
)

// Fault 1: another subscriber leaves, the analyzer forgets everybody, pings
// continue. The watchdog reconnects, and that brings the data back.
func TestFault1SilentFeed(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{})
	other := otherClient(t, a, "other", "flow", "stats")
	r := newRig(t, Config{Analyzers: []string{a.URL()}, SilenceTimeout: 300 * time.Millisecond}, unhurried).run(t)
	// On a slow machine the feed is reconnected for silence at any time, and what is
	// sent meanwhile is lost.
	sendUntilSeen := func(uuid string) {
		await.Until(t, uuid, func() bool {
			a.SendFlows([]analyzer.Flow{flow(uuid)})
			return r.sink.seen(uuid)
		})
	}
	waitSubscribed(t, a, 2)
	sendUntilSeen("before")
	_ = other.Close()
	waitSubscribed(t, a, 1)
	sendUntilSeen("after")
	if got := r.reconnects(t, a, reasonSilent); got < 1 {
		t.Errorf("%v reconnects for silence", got)
	}
	r.logs.WaitFor(t, "reason=silent")
}

// TestClosesBeforeItConnects has the next request come when the analyzer has seen
// the close frame, so that it neither answers 409 nor forgets the new subscription.
func TestClosesBeforeItConnects(t *testing.T) {
	var open, early atomic.Int32
	url := serveFeed(t, func(conn *websocket.Conn) {
		if open.Add(1) > 1 {
			early.Add(1)
		}
		handle := conn.CloseHandler()
		conn.SetCloseHandler(func(code int, text string) error {
			<-time.After(50 * time.Millisecond) // so that who does not wait for the answer is early
			open.Add(-1)
			return handle(code, text)
		})
		readOn(conn)
	})
	r := newRig(t, Config{Analyzers: []string{url}, SilenceTimeout: 20 * time.Millisecond}, func(f *Feed) {
		f.timing.closing = await.Patience
	}).run(t)
	r.waitUps(t, 10)
	r.stop()
	if silent, early := r.metric(t, "skybridge_reconnects_total", "reason", string(reasonSilent)), early.Load(); silent < 9 || early != 0 {
		t.Errorf("%v for silence, connected %d times beside its own connection", silent, early)
	}
}

// Fault 2: an old connection still holds the host id. The 409 is retried until
// the analyzer has let go of it.
func TestFault2Conflict(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{})
	old := otherClient(t, a, "bridge", "flow")
	waitSubscribed(t, a, 1)
	r := newRig(t, Config{Analyzers: []string{a.URL()}}, unhurried).run(t)
	r.logs.WaitFor(t, "still connected (HTTP 409")
	if r.feed.Subscribed() {
		t.Error("subscribed beside its own old connection")
	}
	_ = old.Close()
	r.waitUps(t, 1)
	waitSubscribed(t, a, 1)
	a.SendFlows([]analyzer.Flow{flow("u")})
	r.waitFlow(t, "u")
	if got := r.reconnects(t, a, reasonConflict); got < 1 {
		t.Errorf("%v conflicts", got)
	}
	if s := r.feed.Status()[0]; !strings.Contains(s.LastError, "skydive.host_id") || s.Reconnects < 1 {
		t.Errorf("status %+v", s)
	}
}

// The analyzer drops a connection, or dies and comes back. Faults 4 and 5:
// what follows arrives under the same UUIDs, with cumulative metrics.
func TestFault4And5ConnectionLossAndRestart(t *testing.T) {
	a, r := subscribe(t, Config{})
	a.SendFlows([]analyzer.Flow{flow("u")})
	r.waitFlow(t, "u")
	a.DropAll()
	r.waitUps(t, 2)
	if got := r.reconnects(t, a, reasonLost); got != 1 {
		t.Errorf("%v lost connections", got)
	}
	a.Stop()
	await.Until(t, "down", func() bool { return r.sink.count("down") == 3 })
	a.SendFlows([]analyzer.Flow{flow("lost in the outage")})
	r.logs.WaitFor(t, "reason=dial")
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	waitSubscribed(t, a, 1)
	later := flow("u")
	later.Metric.ABBytes = 1000
	a.SendFlows([]analyzer.Flow{later})
	await.Until(t, "the update", func() bool { return r.sink.received() == 2 })
	if r.sink.flows[1].Metric.ABBytes != 1000 {
		t.Errorf("got %+v", r.sink.flows[1])
	}
}

// An analyzer that keeps the connection but sends nothing, not even pings.
func TestDeadPeer(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{PingDelay: time.Hour, PongTimeout: time.Hour})
	r := newRig(t, Config{Analyzers: []string{a.URL()}}, func(f *Feed) { f.timing.peer = 50 * time.Millisecond }).run(t)
	r.waitUps(t, 2)
	if got := r.reconnects(t, a, reasonTimeout); got < 1 {
		t.Errorf("%v timeouts", got)
	}
}

// Each ping is answered by a pong with its text, in the middle of nothing.
func TestPongs(t *testing.T) {
	const pings = 20
	ponged := make(chan string, pings)
	url := serveFeed(t, func(conn *websocket.Conn) {
		conn.SetPongHandler(func(text string) error { ponged <- text; return nil })
		for i := range pings {
			if conn.WriteControl(websocket.PingMessage, []byte{'a' + byte(i)}, time.Now().Add(await.Patience)) != nil {
				return
			}
		}
		readOn(conn)
	})
	newRig(t, Config{Analyzers: []string{url}}).run(t)
	limit := time.NewTimer(await.Patience)
	defer limit.Stop()
	for i := range pings {
		select {
		case text := <-ponged:
			if text != string(rune('a'+i)) {
				t.Errorf("pong %d has %q", i, text)
			}
		case <-limit.C:
			t.Fatalf("%d pongs", i)
		}
	}
}

func TestTooLargeMessage(t *testing.T) {
	a, r := subscribe(t, Config{}, unhurried)
	// The largest that is allowed arrives …
	pad := maxMessage - len(flowMessage(`[`+soundFlow+`]`))
	a.SendRaw([]byte(flowMessage(`[` + soundFlow + `]` + strings.Repeat(" ", pad))))
	r.waitFlow(t, "u")
	// … one byte more does not.
	a.SendRaw([]byte(flowMessage(`[` + soundFlow + `]` + strings.Repeat(" ", pad+1))))
	r.waitUps(t, 2)
	if got := r.reconnects(t, a, reasonTooLarge); got != 1 {
		t.Errorf("%v reconnects", got)
	}
	if got := r.metric(t, "skybridge_records_skipped_total", "reason", "message_too_large"); got != 1 {
		t.Errorf("counted %v", got)
	}
	r.logs.WaitFor(t, "more than 16777216 bytes")
	waitSubscribed(t, a, 1)
	a.SendFlows([]analyzer.Flow{flow("next")})
	r.waitFlow(t, "next")
}

func TestCredentials(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{Users: map[string]string{"bridge": "s3cret"}})
	cfg := func(account *access.Account) Config { return Config{Analyzers: []string{a.URL()}, Account: account} }
	file := filepath.Join(t.TempDir(), "password")
	fromFile := func() *access.Account {
		return account(t, access.Settings{HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "bridge", PasswordFile: file}}})
	}

	t.Run("right", func(t *testing.T) {
		newRig(t, cfg(user(t, "bridge", "s3cret"))).run(t).waitUps(t, 1)
	})
	t.Run("wrong", func(t *testing.T) {
		text := newRig(t, cfg(user(t, "bridge", "wr0ng"))).fails(t, reasonUnauthorized, `check skydive.basic_auth, authorization`)
		if strings.Contains(text, "wr0ng") || !strings.Contains(text, "Wrong credentials") {
			t.Errorf("the log: %s", text)
		}
	})
	t.Run("none", func(t *testing.T) {
		newRig(t, cfg(nil)).fails(t, reasonUnauthorized, "it wants credentials: set skydive.basic_auth.username")
	})
	t.Run("unreadable", func(t *testing.T) {
		newRig(t, cfg(fromFile())).fails(t, reasonCredentials, "no such file")
	})
	t.Run("corrected", func(t *testing.T) {
		// The password is read at each connect: a corrected file is enough.
		write(t, file, "old")
		r := newRig(t, cfg(fromFile())).run(t)
		r.logs.WaitFor(t, "reason="+string(reasonUnauthorized))
		write(t, file, "s3cret")
		r.waitUps(t, 1)
	})
}

// certificate returns a server's key pair for 127.0.0.1 and who trusts it.
func certificate(t *testing.T) (tls.Certificate, config.TLSConfig) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return server.TLS.Certificates[0], config.TLSConfig{CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))}
}

func TestTLS(t *testing.T) {
	cert, trusting := certificate(t)
	a := startAnalyzer(t, analyzer.Config{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	t.Run("trusted", func(t *testing.T) {
		r := newRig(t, Config{Analyzers: []string{a.URL()}, Account: account(t, access.Settings{HTTP: config.HTTPClientConfig{TLSConfig: trusting}})}).run(t)
		waitSubscribed(t, a, 1)
		a.SendFlows([]analyzer.Flow{flow("u")})
		r.waitFlow(t, "u")
		a.DropAll()
		r.waitUps(t, 2)
		if got := r.reconnects(t, a, reasonLost); got != 1 {
			t.Errorf("%v lost connections", got)
		}
	})
	t.Run("unknown authority", func(t *testing.T) {
		newRig(t, Config{Analyzers: []string{a.URL()}}).fails(t, reasonTLS, "check skydive.tls_config")
	})
	t.Run("not TLS", func(t *testing.T) {
		newRig(t, Config{Analyzers: []string{strings.Replace(a.URL(), "wss", "ws", 1)}}).fails(t, reasonTLS, "HTTP request to an HTTPS server")
	})
	t.Run("TLS to a plain one", func(t *testing.T) {
		plainOne := startAnalyzer(t, analyzer.Config{})
		newRig(t, Config{Analyzers: []string{strings.Replace(plainOne.URL(), "ws", "wss", 1)}}).fails(t, reasonTLS, "TLS")
	})
}

func TestOtherAnswers(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{})
	newRig(t, Config{Analyzers: []string{a.URL() + "/nowhere"}}).fails(t, reasonHTTP, "HTTP 404 Not Found")

	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "come back later", http.StatusServiceUnavailable)
	})
	newRig(t, Config{Analyzers: []string{url}}).fails(t, reasonHTTP, `HTTP 503 Service Unavailable, \"come back later\"`)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// A peer that accepts and then says nothing does not hold the feed's end up.
func TestEndsInTheMiddleOfAHandshake(t *testing.T) {
	l := listen(t)
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	r := newRig(t, Config{Analyzers: []string{"ws://" + l.Addr().String()}}).run(t)
	c := <-accepted
	defer func() { _ = c.Close() }()
	begun := make([]byte, 16)
	if _, err := c.Read(begun); err != nil || !bytes.HasPrefix(begun, []byte("GET /ws/subscrib")) {
		t.Fatalf("%q, %v", begun, err)
	}
	ended := make(chan struct{})
	go func() { r.stop(); close(ended) }()
	ctx, cancel := context.WithTimeout(t.Context(), access.HandshakeTimeout/2)
	defer cancel()
	select {
	case <-ended:
	case <-ctx.Done():
		t.Error("waits for the handshake")
	}
}
