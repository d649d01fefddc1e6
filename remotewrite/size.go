// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"sync"
	"time"
)

const (
	// sizeKept is for how long a receiver's limit on the size of requests is
	// remembered. It may be raised; asking costs a request and its halves.
	sizeKept = time.Hour
	// maxSingles is after how many single samples in a row that are too large, with
	// nothing taken in between, a receiver is believed to find everything too large.
	maxSingles = 16
	// halveAgain is how long after that one more request is halved: the receiver may
	// take some by now.
	halveAgain = time.Minute
)

// sizeLimit is what is known of the size of requests that a receiver takes, in
// samples, from its answers with 413. The zero value knows of no limit.
type sizeLimit struct {
	mu      sync.Mutex
	samples int // 0: no limit
	until   time.Time
	singles int       // that were too large, since anything was taken
	refused time.Time // when the last of them was
}

// limit returns how many samples a request may carry, at most configured.
func (l *sizeLimit) limit(configured int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.samples == 0 || time.Now().After(l.until) {
		return configured
	}
	return min(configured, l.samples)
}

// learn records the size of a request, and of the largest of its parts that was
// taken; 0: none was. One sample that is too large by itself must not have all others
// sent alone, so no limit is as low as that.
func (l *sizeLimit) learn(size, taken int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if 0 < taken && taken < size {
		l.samples, l.until = max(taken, maxSingles), time.Now().Add(sizeKept)
	}
}

// took records that something was taken.
func (l *sizeLimit) took() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.singles = 0
}

// worthHalving says whether a request of so many samples, which was too large, should
// be sent in halves. Where not even single samples are taken, it would cost thousands
// of requests a block, and change nothing.
func (l *sizeLimit) worthHalving(samples int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if samples <= 1 {
		l.singles, l.refused = l.singles+1, time.Now()
		return false
	}
	if l.singles >= maxSingles && time.Since(l.refused) >= halveAgain {
		l.singles = maxSingles - 1
	}
	return l.singles < maxSingles
}

// clear forgets the limit: another receiver is asked from now on, or in another way.
func (l *sizeLimit) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.samples, l.singles = 0, 0
}
