// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"net/http"

	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

const (
	// probeSamples is how many samples a probe carries at most. They are sent twice
	// where the receiver does not speak 2.0.
	probeSamples = 16
	// askAttempts is how many temporary failures in a row the version that is not known
	// to be spoken gets. There are gateways that answer 500 to what they cannot read.
	askAttempts = 4
)

// negotiation is what one request found out about the version. The samples that were
// refused in one version are tried in the other: a repeat of each series' newest
// sample is accepted by every receiver.
type negotiation struct {
	under *settings // that it is for
	// ask is the version to send in, whatever is known; wire.Unknown: what is known.
	ask wire.Version
	// failures in that version, in a row.
	failures int
	// refusal is the final answer in the other version, without a status if there is none.
	refusal client.Answer
	// fresh: 2.0 was tried on a sample of the newest tick. That a receiver refuses
	// older ones says nothing about what it speaks.
	fresh bool
	// unanswered: 2.0 failed as often as it was to be tried, and nothing has failed in 1.0
	// since.
	unanswered bool
}

// choose returns the version for the next attempt.
func (e *endpoint) choose(s *settings, n *negotiation) wire.Version {
	if n.under != s {
		if n.under != nil || s.cfg.ProtobufMessage != MessageAuto {
			*n = negotiation{} // another receiver, perhaps
		}
		n.under = s
	}
	if n.ask == wire.V2 && n.refusal.Status == 0 && (n.failures >= askAttempts || !e.newest()) {
		n.ask, n.unanswered = wire.Unknown, n.failures >= askAttempts
	}
	if n.ask != wire.Unknown {
		return n.ask
	}
	return e.spoken.use(s.cfg.ProtobufMessage)
}

// triesOther says whether what was refused in version v is to be sent in the other one.
func (e *endpoint) triesOther(s *settings, t *queue.Tick, n *negotiation, v wire.Version, a client.Answer) bool {
	switch {
	case s.cfg.ProtobufMessage != MessageAuto, a.Status == http.StatusTooManyRequests:
		return false
	case a.Verdict == client.Refused && a.SpeaksV2:
		// Only one that speaks 2.0 counts what it has stored.
		if v == wire.V2 {
			e.settle(s, n, v)
		}
		return false
	case n.refusal.Status != 0 && n.failures == 0:
		e.spoken.rejects(t.Number, rejection{v.Other(), n.refusal.Status}, rejection{v, a.Status})
		return false
	case n.refusal.Status != 0:
		// Between both refusals it failed: it may be another receiver by now.
	case !e.spoken.mayBeVersion(rejection{v, a.Status}, t.Number):
		return false
	}
	n.fresh = n.fresh || e.newest()
	n.refusal, n.ask, n.failures = a, v.Other(), 0
	return true
}

// gaveUpOther records a temporary failure, and says whether it ends the attempts in
// the version that was tried because of a refusal. That is so for 2.0, where 1.0 was
// refused with what receivers answer to samples: else something that fails on all 2.0
// would hold up everything.
func (e *endpoint) gaveUpOther(n *negotiation, t *queue.Tick) bool {
	n.failures++
	if n.ask == wire.Unknown {
		n.unanswered = false
	}
	switch n.refusal.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		if n.ask == wire.V2 && n.failures >= askAttempts {
			if e.spoken.proven() { // else it may speak 2.0 alone, and be failing
				e.spoken.rejects(t.Number, rejection{wire.V1, n.refusal.Status})
			}
			return true
		}
	}
	return false
}

// tell returns which of the refusals of both versions is worth to be told, where the
// last is a, of version v: that of the version in use, if it says more than that.
func (n *negotiation) tell(a client.Answer, v, inUse wire.Version) client.Answer {
	if n.refusal.Status == 0 {
		return a
	}
	first, second := a, n.refusal
	if v != inUse {
		first, second = second, first
	}
	if first.Verdict == client.NotV2 || first.Status == http.StatusUnsupportedMediaType {
		return second
	}
	return first
}

// settle records that the receiver speaks a version.
func (e *endpoint) settle(s *settings, n *negotiation, v wire.Version) {
	not2 := v == wire.V1 && n.fresh && (n.refusal.Status != 0 || n.unanswered)
	if s.cfg.ProtobufMessage != MessageAuto || !e.spoken.accepts(v, n.ask == v, not2) {
		return
	}
	e.cursor.KeepNumber(uint64(v))
	attrs := []any{"version", v.String()}
	if n.refusal.Status != 0 {
		attrs = append(attrs, "answer_to_"+v.Other().String(), n.refusal.Words)
	}
	if not2 {
		attrs = append(attrs, "asked_again_in", reprobeAfter)
	}
	s.logger.Info("found out the receiver's remote-write version", attrs...)
}
