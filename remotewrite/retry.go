// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// maxRetryAfter is the longest that a receiver's Retry-After is heeded. It keeps
// a receiver, or what stands before it, from silencing the push for a day by
// mistake; asking every five minutes bothers nobody.
const maxRetryAfter = 5 * time.Minute

// backoff is the pauses between attempts at one request: each twice the last,
// from minimum to maximum, and of each a random part between half and whole, so
// that senders turned away together do not come back together.
type backoff struct {
	minimum, maximum time.Duration
	step             time.Duration
}

// next returns the next pause, never less than minimum nor more than maximum.
func (b *backoff) next() time.Duration {
	switch {
	case b.step == 0:
		b.step = b.minimum
	case b.step > b.maximum/2:
		b.step = b.maximum
	default:
		b.step *= 2
	}
	half := b.step / 2
	return max(b.minimum, half+rand.N(b.step-half+1))
}

// parseRetryAfter reads a Retry-After header, seconds or a date (RFC 9110,
// 10.2.3), with its ceiling. Anything else, and the past, is no wish.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		// Bounded before it is multiplied: the product of a hostile one would wrap.
		seconds = min(max(0, seconds), int64(maxRetryAfter/time.Second))
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(0, date.Sub(now)), maxRetryAfter)
	}
	return 0
}

// quietTime is until when a receiver asked to be left alone. All senders of an
// endpoint share it: what one of them was told holds for the others.
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
