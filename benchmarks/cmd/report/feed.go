// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// feed is an analyzer as far as cost goes: it accepts subscribers and sends what it is
// given, each message as Skydive does, in one frame and an empty last one. (The one in
// internal/analyzer runs Skydive's own code, which could not keep up.)
type feed struct {
	listener    net.Listener
	server      *http.Server
	subscribers chan *subscriber
	serving     sync.WaitGroup
}

// subscriber is who reads the feed. Its send is for one goroutine.
type subscriber struct {
	conn *websocket.Conn
	gone chan struct{}
	sent int64 // bytes of messages
}

func startFeed() (*feed, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	f := &feed{listener: l, subscribers: make(chan *subscriber, 1)}
	f.server = &http.Server{Handler: http.HandlerFunc(f.subscribe), ReadHeaderTimeout: time.Minute}
	f.serving.Go(func() { _ = f.server.Serve(l) }) // until stop
	return f, nil
}

func (f *feed) stop() {
	_ = f.server.Close()
	f.serving.Wait()
}

func (f *feed) url() string { return "ws://" + f.listener.Addr().String() + "/ws/subscriber/flow" }

func (f *feed) subscribe(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		fmt.Fprintln(w, "[]") // its topology
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, http.Header{"X-Host-Id": {"feed"}, "X-Service-Type": {"analyzer"}})
	if err != nil {
		return // it has been answered
	}
	s := &subscriber{conn: conn, gone: make(chan struct{})}
	go s.ping()
	select {
	case f.subscribers <- s:
	default: // nobody waits: a subscriber that has come back
	}
	// Pongs and the end are read here; nothing else comes.
	for err == nil {
		_, _, err = conn.ReadMessage()
	}
	close(s.gone)
	_ = conn.Close()
}

// ping sends pings as often as an analyzer does.
func (s *subscriber) ping() {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-s.gone:
			return
		case <-tick.C:
			_ = s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) // gone closes
		}
	}
}

// next waits for a subscriber.
func (f *feed) next(ctx context.Context, c *child) (*subscriber, error) {
	var ended <-chan struct{}
	if c != nil {
		ended = c.done
	}
	select {
	case s := <-f.subscribers:
		return s, nil
	case <-ended:
		return nil, errors.Join(errors.New("feed: the subscriber ended before it came"), c.err)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Minute):
		return nil, errors.New("feed: nobody has subscribed for a minute")
	}
}

// send sends a message and blocks while the subscriber does not read.
func (s *subscriber) send(message []byte) error {
	w, err := s.conn.NextWriter(websocket.TextMessage)
	if err != nil {
		return fmt.Errorf("feed: send: %w", err)
	}
	if _, err := w.Write(message); err != nil {
		return fmt.Errorf("feed: send: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("feed: send: %w", err)
	}
	s.sent += int64(len(message))
	return nil
}
