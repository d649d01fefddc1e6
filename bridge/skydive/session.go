// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/secrets"
)

const (
	// pongTimeout is shorter than the 7.0 s after which the analyzer drops us.
	pongTimeout = 5 * time.Second
	// closeTimeout is how long the analyzer may take to say goodbye in turn.
	closeTimeout = time.Second
)

// session reads one connection until it ends, which it always does in a
// failure; where the context ended it, the failure does not matter.
func (l *link) session(ctx context.Context, sub *subscription) *failure {
	conn := sub.conn
	conn.SetReadLimit(maxMessage)
	conn.SetPingHandler(func(data string) error {
		err := conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(l.feed.timing.pong))
		if err == nil || errors.Is(err, websocket.ErrCloseSent) { // goodbyes do not wait for pongs
			return nil
		}
		return &pongError{err}
	})
	if err := sub.alive.start(l.feed.timing.peer); err != nil {
		return &failure{reasonLost, err}
	}

	watching, stop := context.WithCancel(ctx)
	defer stop()
	readDone := make(chan struct{})
	guard := make(chan bool, 1)
	go func() {
		silent := l.watchdog.watch(watching)
		if silent || ctx.Err() != nil {
			leave(conn, readDone, l.feed.timing.closing)
		}
		guard <- silent
	}()
	err := l.read(conn)
	close(readDone)
	stop()
	silent := <-guard
	_ = conn.Close() // nothing more is expected of it
	if silent {
		l.watchdog.gaveUp()
		return &failure{reasonSilent, errors.New("no data came for longer than updates and stats explain: either nothing is captured, or the analyzer has forgotten the subscription")}
	}
	return ended(err, l.cfg.Load().Account.Secrets)
}

// leave says goodbye, and cuts the connection if the analyzer does not answer
// in time. A new connection must not be tried before the old one is gone: the
// analyzer would answer 409, or forget the new subscription with the old.
func leave(conn *websocket.Conn, readDone <-chan struct{}, timeout time.Duration) {
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(timeout)); err != nil {
		_ = conn.Close()
		return
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-readDone:
	case <-timer.C:
		_ = conn.Close()
	}
}

// read takes messages off the connection as fast as they come.
func (l *link) read(conn *websocket.Conn) error {
	var scratch []byte
	for {
		_, r, err := conn.NextReader()
		if err != nil {
			return err
		}
		buf, err := l.feed.buffers.read(r, &scratch)
		if err != nil {
			return err
		}
		l.received(buf, time.Now())
	}
}

// pongError is a failure to answer a ping, which reading meets.
type pongError struct{ err error }

func (e *pongError) Error() string { return "answer a ping: " + e.err.Error() }
func (e *pongError) Unwrap() error { return e.err }

// ended says what an error of reading means.
func ended(err error, set *secrets.Set) *failure {
	var goodbye *websocket.CloseError
	var network net.Error
	switch {
	case errors.Is(err, websocket.ErrReadLimit) || errors.Is(err, errTooLarge):
		return &failure{reasonTooLarge, fmt.Errorf("a message of more than %d bytes came: it is lost, the flows in it catch up at their next update", maxMessage)}
	case errors.As(err, &goodbye) && goodbye.Code == websocket.CloseAbnormalClosure:
		return &failure{reasonLost, errors.New("the connection ended without a goodbye")}
	case errors.As(err, &goodbye):
		return &failure{reasonClosed, fmt.Errorf("the analyzer closed the connection: %s", set.Hide(err.Error()))}
	case errors.As(err, new(*pongError)) && errors.As(err, &network) && network.Timeout():
		return &failure{reasonWriteTimeout, errors.New("write timeout: the analyzer sends pings and does not read our answers")}
	case errors.As(err, &network) && network.Timeout():
		return &failure{reasonTimeout, errors.New("not even pings came: the analyzer or the way to it is dead")}
	case errors.As(err, new(*net.OpError)) || errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{reasonLost, err}
	}
	return &failure{reasonProtocol, fmt.Errorf("WebSocket: %w", err)}
}
