// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"fmt"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/client"
)

// attemptGrace is how long an attempt may take to end after its timeout, or after it
// was stopped, before it is left to itself. One that obeys its context needs a few
// milliseconds.
const attemptGrace = time.Second

// post makes an attempt, and returns when it has ended or has had its time, whatever
// it runs: a token's source, a dialer or a secret's file on a network drive may ignore
// that its time is over. Such an attempt is left to itself. It has nothing of the
// endpoint but the body, which is not used again before it ends; if a late one reaches
// the receiver, it repeats samples that were sent again meanwhile.
//
// As many attempts as max_shards can be left under the same settings. Then the next
// ones wait for them in vain, as long as an attempt may take.
func (e *endpoint) post(ctx context.Context, s *settings, b *client.Body, attempt int) client.Answer {
	if a, ok := e.enter(ctx, s); !ok {
		return a
	}
	e.deadline.Set(s.cfg.Timeout + attemptGrace)
	ended := make(chan client.Answer, 1)
	b.Hold()
	go func() {
		a := s.client.Post(ctx, b, attempt)
		b.Release()
		<-s.attempts
		ended <- a
	}()
	over := time.NewTimer(s.cfg.Timeout + attemptGrace)
	defer over.Stop()
	select {
	case a := <-ended:
		return a
	case <-over.C:
		return client.Answer{Verdict: client.Retry, Words: fmt.Sprintf("no answer within %v, and the attempt does not end", s.cfg.Timeout)}
	case <-ctx.Done():
	}
	over.Reset(attemptGrace)
	select {
	case a := <-ended:
		return a
	case <-over.C:
		s.logger.Warn("an attempt at the receiver does not end although it was stopped; it is left to itself")
		return client.Answer{Verdict: client.Aborted, Words: "stopped"}
	}
}

// enter waits until an attempt may be made; where it may not, a says why.
func (e *endpoint) enter(ctx context.Context, s *settings) (a client.Answer, ok bool) {
	select {
	case s.attempts <- struct{}{}:
		return a, true
	default:
	}
	e.deadline.Set(s.cfg.Timeout)
	over := time.NewTimer(s.cfg.Timeout)
	defer over.Stop()
	select {
	case s.attempts <- struct{}{}:
		return a, true
	case <-ctx.Done():
		return client.Answer{Verdict: client.Aborted, Words: "stopped"}, false
	case <-s.replaced:
		return client.Answer{Verdict: client.Retry, Words: "the settings were changed"}, false
	case <-over.C:
		return client.Answer{Verdict: client.Retry, Words: fmt.Sprintf("no attempt within %v: %d before it do not end", s.cfg.Timeout, cap(s.attempts))}, false
	}
}
