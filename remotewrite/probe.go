// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"net/http"
	"time"
)

// probeSamples is how many samples a probe carries at most. They are sent twice
// where the receiver does not speak 2.0, and lost where it refuses them.
const probeSamples = 16

// probe finds out whether the receiver speaks 2.0, where that is due, by sending
// it the first few samples of the group. It returns the group without what has
// its final answer by that.
//
// Only the newest tick will do: that a receiver refuses old samples says nothing
// about what it speaks, and some refuse them in words that look as if it did.
// What the probe carried is sent again in 1.0 where the answer means that it was
// not understood, or where there is none: a repeat of each series' newest sample
// is accepted by every receiver.
func (e *endpoint) probe(ctx context.Context, t *loggedTick, group []request, done *tally) ([]request, error) {
	if !e.spoken.due(e.settings.Load().cfg.ProtobufMessage) || group[0].repair != nil || !e.newest() {
		return group, nil
	}
	small := group[0]
	small.to = min(small.to, small.from+probeSamples)
	w := e.workspaces.Get().(*workspace)
	defer e.putAway(w)
	count, err := e.build(ctx, t, w, small, version2)
	if err != nil {
		return group, err
	}
	pauses := backoff{}
	for attempt := 0; ; attempt++ {
		s, err := e.awaitQuiet(ctx)
		if err != nil {
			return group, err
		}
		if err := e.tooOld(t, s.cfg.SampleAgeLimit); err != nil {
			return group, err
		}
		if s.cfg.ProtobufMessage != MessageAuto || !e.newest() {
			return group, nil // a reload or a failure later
		}
		began := time.Now()
		a := e.post(ctx, s, w.body, attempt)
		s.metrics.attempted(time.Since(began))
		switch {
		case a.verdict == aborted:
			return group, ctx.Err()
		case a.verdict == again:
			pauses.minimum, pauses.maximum = s.cfg.MinBackoff, s.cfg.MaxBackoff
			wait := pauses.next()
			e.failed(s, count, attempt, a, wait)
			if err := e.pause(ctx, wait, s); err != nil {
				return group, err
			}
			continue
		case a.verdict == foreign, a.verdict == refused && a.status == http.StatusBadRequest && !a.speaks2:
			e.settle(s, version1, a.words)
			return group, nil
		case a.verdict == delivered:
			e.settle(s, version2, "")
			s.metrics.answered(t.at, len(w.body.data))
			e.succeeded(s, count)
		default: // refused
			if a.speaks2 {
				e.settle(s, version2, "")
			}
			s.metrics.answered(t.at, len(w.body.data))
			e.refused(s, t, small, count, len(w.body.data), a)
		}
		done.add(count)
		if group[0].from = small.to; group[0].from == group[0].to {
			group = group[1:]
		}
		return group, nil
	}
}

// newest says whether the held tick is the last one in the log.
func (e *endpoint) newest() bool { return e.cursor.place().ticks <= 1 }

// settle records which version the receiver speaks; why is what it answered to
// the other one.
func (e *endpoint) settle(s *settings, v version, why string) {
	if !e.spoken.settle(v) {
		return
	}
	attrs := []any{"remote_name", s.cfg.label(), "url", redacted(s.cfg.URL), "version", v.String()}
	if why != "" {
		attrs = append(attrs, "answer_to_2.0", why, "asked_again_in", reprobeAfter)
	}
	e.logger.Info("found out the receiver's remote-write version", attrs...)
}
