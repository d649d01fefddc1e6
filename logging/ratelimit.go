// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Every is how often an event that can repeat without end is logged at most.
const Every = time.Minute

// NotLogged is the attribute that says how many lines were left out since the last.
const NotLogged = "not_logged"

// Limit lets an event through once in [Every]. The zero value is ready; it may be
// used concurrently.
type Limit struct {
	mu      sync.Mutex
	last    time.Time // with the monotonic clock; zero: none yet
	leftOut uint64
}

// Allow reports whether the event may be logged now. If so it returns an attribute of the line:
// how many were left out since the last one; empty for none.
func (l *Limit) Allow() (notLogged slog.Attr, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.last.IsZero() && now.Sub(l.last) < Every {
		l.leftOut++
		return slog.Attr{}, false
	}
	if l.leftOut > 0 {
		notLogged = slog.Uint64(NotLogged, l.leftOut) // handlers leave out an empty one
	}
	l.last, l.leftOut = now, 0
	return notLogged, true
}

// Reset lets the next event through.
func (l *Limit) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Time{}
}

// RateLimited returns a logger that logs each message once in [Every] at most, whatever its
// attributes. There must be few different messages: it keeps each.
func RateLimited(logger *slog.Logger) *slog.Logger {
	return slog.New(&rateLimited{logger.Handler(), &limits{of: map[string]*Limit{}}})
}

type rateLimited struct {
	slog.Handler
	limits *limits
}

// limits are shared by the loggers that With makes.
type limits struct {
	mu sync.Mutex
	of map[string]*Limit // by message
}

func (s *rateLimited) Handle(ctx context.Context, r slog.Record) error {
	s.limits.mu.Lock()
	limit := s.limits.of[r.Message]
	if limit == nil {
		limit = &Limit{}
		s.limits.of[r.Message] = limit
	}
	s.limits.mu.Unlock()
	notLogged, ok := limit.Allow()
	if !ok {
		return nil
	}
	if !notLogged.Equal(slog.Attr{}) {
		r.AddAttrs(notLogged)
	}
	return s.Handler.Handle(ctx, r)
}

func (s *rateLimited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &rateLimited{s.Handler.WithAttrs(attrs), s.limits}
}

func (s *rateLimited) WithGroup(name string) slog.Handler {
	return &rateLimited{s.Handler.WithGroup(name), s.limits}
}
