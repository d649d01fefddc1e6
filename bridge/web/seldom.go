// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"sync"
	"time"
)

// seldomEvery is how often an event that peers can repeat at will is logged.
const seldomEvery = time.Minute

// seldom limits the lines of one kind of event. The zero value is ready; it may
// be used from many goroutines.
type seldom struct {
	mu   sync.Mutex
	next time.Time
	held int
}

// allow reports whether the event at now may be logged, and how many were held
// back since the last that was.
func (s *seldom) allow(now time.Time) (held int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.next) {
		s.held++
		return 0, false
	}
	held, s.held = s.held, 0
	s.next = now.Add(seldomEvery)
	return held, true
}
