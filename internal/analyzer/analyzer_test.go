// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

func start(t *testing.T, cfg Config) *Analyzer {
	t.Helper()
	a, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	return a
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

type message struct {
	Namespace, Type string
	Obj             json.RawMessage
}

// client is a subscriber that reads everything, as one must.
type client struct {
	conn     *websocket.Conn
	messages chan message
	closed   chan error
}

func header(host string, namespaces ...string) http.Header {
	h := http.Header{"X-Client-Type": {"test"}, "X-Host-Id": {host}, "X-Client-Protocol": {"json"}}
	if len(namespaces) > 0 {
		h["X-Websocket-Namespace"] = namespaces
	}
	return h
}

func dial(t *testing.T, a *Analyzer, h http.Header) (*client, *http.Response, error) {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.DialContext(within(t), a.URL(), h)
	if err != nil {
		return nil, resp, err
	}
	c := &client{conn: conn, messages: make(chan message, 1000), closed: make(chan error, 1)}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		for {
			_, data, err := conn.ReadMessage()
			if err != nil {
				c.closed <- err
				return
			}
			var m message
			if err := json.Unmarshal(data, &m); err != nil {
				m.Namespace = "raw " + string(data)
			}
			c.messages <- m
		}
	}()
	return c, resp, nil
}

func subscribe(t *testing.T, a *Analyzer, h http.Header) *client {
	t.Helper()
	within := within(t)
	c, resp, err := dial(t, a, h)
	// Skydive says that a client has gone just before it lets go of its host id.
	for err != nil && resp != nil && resp.StatusCode == http.StatusConflict && within.Err() == nil {
		c, resp, err = dial(t, a, h)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := h.Get("X-Host-Id")
	if err := a.Wait(within, func(all []Subscriber) bool {
		for _, s := range all {
			if s.HostID == want {
				return true
			}
		}
		return false
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *client) next(t *testing.T) message {
	t.Helper()
	select {
	case m := <-c.messages:
		return m
	case err := <-c.closed:
		t.Fatalf("closed: %v", err)
	case <-within(t).Done():
		t.Fatal("no message")
	}
	return message{}
}

func TestFlowsInMessagesOfAHundredByNamespace(t *testing.T) {
	a := start(t, Config{})
	all := subscribe(t, a, header("all", "flow", "stats"))
	one := subscribe(t, a, header("one", "flow/b"))
	flows := make([]Flow, 250)
	for i := range flows {
		flows[i] = Flow{UUID: "u", CaptureID: "a", Metric: &Metric{ABBytes: 1}}
		if i%50 == 0 {
			flows[i].CaptureID = "b"
		}
	}
	a.SendFlows(flows)
	a.SendStats(Stats{CaptureID: "a", FlowCount: 7})

	var got []int
	for range 3 {
		m := all.next(t)
		var list []Flow
		if err := json.Unmarshal(m.Obj, &list); err != nil || m.Namespace != "flow" || m.Type != "store" {
			t.Fatalf("message %s %s: %v", m.Namespace, m.Type, err)
		}
		got = append(got, len(list))
	}
	if diff := cmp.Diff([]int{100, 100, 50}, got); diff != "" {
		t.Error(diff)
	}
	if m := all.next(t); m.Namespace != "stats" || m.Type != "stats" ||
		string(m.Obj) != `{"CaptureID":"a","FlowCount":7,"FlowDropped":0,"KernelFlowDropped":0,"PacketsDropped":0,"PacketsReceived":0}` {
		t.Errorf("stats: %+v", m)
	}
	got = nil
	for range 3 {
		m := one.next(t)
		var list []Flow
		if err := json.Unmarshal(m.Obj, &list); err != nil || m.Namespace != "flow/b" {
			t.Fatalf("message %s: %v", m.Namespace, err)
		}
		got = append(got, len(list))
	}
	if diff := cmp.Diff([]int{2, 2, 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnyDisconnectForgetsEveryNamespace(t *testing.T) {
	a := start(t, Config{})
	stays := subscribe(t, a, header("stays", "flow", "stats"))
	leaves := subscribe(t, a, header("leaves", "stats"))
	_ = leaves.conn.Close()
	if err := a.WaitSubscribers(within(t), 1); err != nil {
		t.Fatal(err)
	}
	if ns := a.Namespaces(); len(ns) != 0 {
		t.Errorf("still known: %v", ns)
	}
	a.SendFlows([]Flow{{UUID: "lost"}})
	// A later connect in the namespace brings it back for all.
	subscribe(t, a, header("comes", "flow"))
	a.SendFlows([]Flow{{UUID: "seen"}})
	if m := stays.next(t); !strings.Contains(string(m.Obj), `"seen"`) {
		t.Errorf("got %s", m.Obj)
	}
}

func TestRefusals(t *testing.T) {
	a := start(t, Config{})
	subscribe(t, a, header("same", "flow"))
	if _, resp, err := dial(t, a, header("same", "flow")); err == nil || resp.StatusCode != http.StatusConflict {
		t.Errorf("second client of one id: %v", err)
	}
	c, resp, err := dial(t, a, http.Header{"X-Client-Protocol": {"json"}})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Host-Id") != a.Addr() || resp.Header.Get("X-Service-Type") != "analyzer" {
		t.Errorf("101 says %v", resp.Header)
	}
	if err := <-c.closed; !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("without a client type: %v", err)
	}

	secured := start(t, Config{Users: map[string]string{"bridge": "right"}})
	_, resp, err = dial(t, secured, header("x", "flow"))
	if err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("without credentials: %v", err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "Wrong credentials" {
		t.Errorf("body %q", body)
	}
	r := http.Request{Header: header("x", "flow")}
	r.SetBasicAuth("bridge", "right")
	subscribe(t, secured, r.Header)
}

func TestDropAndRestart(t *testing.T) {
	a := start(t, Config{})
	c := subscribe(t, a, header("a", "flow"))
	if n := a.DropAll(); n != 1 {
		t.Errorf("dropped %d", n)
	}
	if err := <-c.closed; errors.Is(err, nil) {
		t.Error("still open")
	}
	if err := a.WaitSubscribers(within(t), 0); err != nil {
		t.Fatal(err)
	}
	before := a.Addr()
	c = subscribe(t, a, header("a", "flow"))
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	<-c.closed
	if a.Addr() != before || len(a.Namespaces()) != 0 || a.Accepted() != 0 {
		t.Errorf("after restart: %s %v %d", a.Addr(), a.Namespaces(), a.Accepted())
	}
	c = subscribe(t, a, header("a", "flow"))
	a.SendRaw([]byte("anything"))
	if m := c.next(t); m.Namespace != "raw anything" {
		t.Errorf("got %+v", m)
	}
	if _, err := Start(Config{Addr: a.Addr()}); err == nil {
		t.Error("two analyzers on one port")
	}
}

func TestDeadClientIsDropped(t *testing.T) {
	a := start(t, Config{PingDelay: 10 * time.Millisecond, PongTimeout: 100 * time.Millisecond})
	conn, _, err := websocket.DefaultDialer.DialContext(within(t), a.URL(), header("mute", "flow"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// It never reads, so it never pongs.
	if err := a.WaitSubscribers(within(t), 0); err != nil {
		t.Fatal(err)
	}
}
