// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// backoff is the last pause between attempts at one request, 0: none yet. Each is twice
// the last, from minimum to maximum, and of each a random part between half and whole
// passes, so that senders turned away together do not come back together.
type backoff time.Duration

// next returns the next pause, never less than minimum nor more than maximum.
func (b *backoff) next(minimum, maximum time.Duration) time.Duration {
	step := time.Duration(*b)
	switch {
	case step == 0:
		step = minimum
	case step > maximum/2:
		step = maximum
	default:
		step *= 2
	}
	*b = backoff(step)
	half := step / 2
	return max(minimum, half+rand.N(step-half+1))
}

// quietTime is until when a receiver asked to be left alone. All senders of an
// endpoint share it: what one of them learned holds for the others.
// It ends by the monotonic clock: the time of day may be set meanwhile, and a wish of
// a minute must not become one of hours.
type quietTime struct{ until atomic.Pointer[time.Time] }

// extend asks for quiet of length d from now on.
func (q *quietTime) extend(d time.Duration) {
	until := time.Now().Add(d)
	for {
		old := q.until.Load()
		if (old != nil && !until.After(*old)) || q.until.CompareAndSwap(old, &until) {
			return
		}
	}
}

// clear forgets the wish: another receiver is asked from now on.
func (q *quietTime) clear() { q.until.Store(nil) }

// left is how much of the quiet time is left.
func (q *quietTime) left() time.Duration {
	until := q.until.Load()
	if until == nil {
		return 0
	}
	return max(0, time.Until(*until))
}

// maxEpisode is for how long refusals with a code of RetryOnHTTP are retried.
const maxEpisode = 15 * time.Minute

// episode is until when refusals with a code of RetryOnHTTP are retried: for maxEpisode
// from the first one. A success ends it, unless a refusal came later: these may be about
// what is in a request, and must not delay all others again and again. Then it ends after
// maxEpisode without a refusal. The zero value has seen none. All senders of an endpoint
// share it.
type episode struct {
	mu     sync.Mutex
	until  time.Time
	ranOut time.Time // the latest refusal after until, which was final
}

// retries says whether such a refusal is to be retried.
func (p *episode) retries() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.until.IsZero() || !p.ranOut.IsZero() && now.Sub(p.ranOut) >= maxEpisode {
		p.until, p.ranOut = now.Add(maxEpisode), time.Time{}
	}
	if now.Before(p.until) {
		return true
	}
	p.ranOut = now
	return false
}

// end is called at a success.
func (p *episode) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ranOut.IsZero() {
		p.until = time.Time{}
	}
}

// reset forgets all refusals: another receiver is asked from now on.
func (p *episode) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until, p.ranOut = time.Time{}, time.Time{}
}

// retriedUntil returns when the retries end, zero: none are made.
func (p *episode) retriedUntil() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return p.until
	}
	return time.Time{}
}

// pause waits for d, or until ctx ends (its error) or hurry is closed (no error).
func pause(ctx context.Context, d time.Duration, hurry <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-hurry:
	case <-timer.C:
	}
	return nil
}
