// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/secrets"
)

// run connects again and again until the context ends.
func (l *link) run(ctx context.Context) {
	defer close(l.done)
	for ok := pause(ctx, l.delay); ok; {
		fail, lasted := l.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		// An analyzer that was read by this link has another client of that name, or not yet
		// noticed the end of the connection.
		if fail.reason == reasonConflict && !l.twice && time.Since(l.left) > l.intake.timing.duplicate && l.isDuplicate(ctx) {
			ok = l.standBy(ctx)
			continue
		}
		l.isDistinct()
		wait := l.backoff.after(fail.reason, lasted, time.Now())
		l.failed(fail, wait)
		ok = pause(ctx, wait)
	}
}

// standBy waits while another link reads the analyzer, for timing.duplicate at most. It
// returns false where the context ended.
func (l *link) standBy(ctx context.Context) bool {
	host := l.snapshot().HostID
	for i := 0; i < standBySteps && l.reader(host) != nil; i++ {
		if !pause(ctx, l.intake.timing.duplicate/standBySteps) {
			return false
		}
	}
	return ctx.Err() == nil
}

// standBySteps is how often a link that stands by looks whether the other is still there.
const standBySteps = 6

// pause returns false where the context ends before the time is over.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connect is one attempt and, if it succeeds, its session. It returns how long
// the session lasted.
func (l *link) connect(ctx context.Context) (*failure, time.Duration) {
	cfg := l.cfg.Load()
	attempt := time.Now()
	sub, fail := dial(ctx, cfg, l.to)
	if fail != nil {
		l.twice = false
		return fail, 0
	}
	begin := time.Now()
	l.watchdog.begin(begin)
	captures := "all"
	if len(cfg.CaptureIDs) > 0 {
		captures = strings.Join(cfg.CaptureIDs, ",")
	}
	l.log.Info("subscribed to the analyzer", "captures", captures)
	l.log.Debug("what the analyzer was asked for", "namespaces", cfg.namespaces())
	session, leave := context.WithCancel(ctx)
	defer leave()
	l.leave.Store(&leave)
	l.subscribed(sub.host, begin)
	// An analyzer that takes two subscribers of one name at the same moment forgets both when
	// either leaves. One that was subscribed to before the attempt would have refused it, and
	// two that do so again are two analyzers of one host id.
	if other := l.reader(sub.host); other != nil && !l.twice && other.snapshot().Since.After(attempt) {
		(*other.leave.Load())()
		leave()
	}

	fail = l.session(session, sub)
	if l.twice = session.Err() != nil; l.twice {
		fail = &failure{reasonConflict, errors.New("the analyzer took the bridge twice, at two addresses at the same moment: both are connected again")}
	}

	end := time.Now()
	l.unsubscribed(end)
	if !l.twice {
		l.left = end
	}
	return fail, end.Sub(begin)
}

// session reads one connection until it ends, which it always does in a
// failure; where the context ended it, the failure does not matter.
func (l *link) session(ctx context.Context, sub *subscription) *failure {
	conn := sub.conn
	conn.SetReadLimit(maxMessage)
	conn.SetPingHandler(func(data string) error {
		err := conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(l.intake.timing.pong))
		if err == nil || errors.Is(err, websocket.ErrCloseSent) { // a close frame does not wait for pongs
			return nil
		}
		return &pongError{err}
	})
	if err := sub.alive.start(l.intake.timing.peer); err != nil {
		return &failure{reasonLost, err}
	}

	watching, stop := context.WithCancel(ctx)
	defer stop()
	readDone := make(chan struct{})
	guard := make(chan bool, 1)
	go func() {
		silent := l.watchdog.watch(watching)
		if silent || ctx.Err() != nil {
			leave(conn, readDone, l.intake.timing.closing)
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

// leave sends a close frame, and cuts the connection if the analyzer does not answer
// in time. A new connection must not be tried before the old one is gone: the
// analyzer would answer 409, or forget the new subscription with the old.
func leave(conn *websocket.Conn, readDone <-chan struct{}, timeout time.Duration) {
	frame := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(timeout)); err != nil {
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
		buf, err := l.intake.buffers.read(r, &scratch)
		if err != nil {
			return err
		}
		l.intake.receive(&l.traffic, buf, time.Now())
	}
}

// pongError is a failure to answer a ping, which reading meets.
type pongError struct{ err error }

func (e *pongError) Error() string { return "answer a ping: " + e.err.Error() }
func (e *pongError) Unwrap() error { return e.err }

// ended says what an error of reading means.
func ended(err error, set *secrets.Set) *failure {
	var closed *websocket.CloseError
	var network net.Error
	switch {
	case errors.Is(err, websocket.ErrReadLimit) || errors.Is(err, errTooLarge):
		return &failure{reasonTooLarge, fmt.Errorf("a message of more than %d bytes came: it is lost, the flows in it catch up at their next update", maxMessage)}
	case errors.As(err, &closed) && closed.Code == websocket.CloseAbnormalClosure:
		return &failure{reasonLost, errors.New("the connection ended without a close frame")}
	case errors.As(err, &closed):
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
