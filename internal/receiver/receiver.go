// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package receiver is a remote-write receiver for tests. It checks every duty of
// a sender on every request, keeps what it stores as raw samples, and fails on
// demand: answers with errors, hangs, resets connections, is slow.
//
// A duty that was not kept is recorded as a violation, in words, and changes
// nothing else; a test asks for them at its end. Nothing here needs a testing.T.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says what a Receiver expects and how it fails. The zero value expects
// skybridge as sender, never fails, and lets nothing pass.
type Config struct {
	// UserAgent is the exact User-Agent expected; empty: anything that begins
	// with "skybridge/".
	UserAgent string
	// Fail decides what goes wrong with the n-th request, counted from 0, before
	// its body is read. It may be called concurrently. nil: nothing.
	Fail func(n int, r *http.Request) Fault
	// Final429 holds a sender to taking a 429 for final.
	Final429 bool
	// Retried are codes, 4xx, after which a sender may send the same again.
	Retried []int
	// Without1 and Without2 are how a receiver answers a version that it does not
	// speak; nil: it does. What it is sent in that is checked, not stored and
	// forgotten, so that the sender can send it again in the other one. Speak changes
	// them.
	Without1, Without2 *Fault
	// Next, where given, gets what is stored as well, one request after the other; where
	// nothing fails before, the answer is its.
	Next http.Handler
	// MaxBytes, where not 0, is the size of a body above which it is refused with 413.
	MaxBytes int
	// GiveUps allows that a sender continues with newer samples of a series without a
	// final answer for older ones, as it does when those are too old.
	GiveUps bool
	// Clock, where given, is the receiver's time of day: it refuses, with 400, a
	// request with a sample more than 10 minutes ahead of it, as Prometheus and Mimir do.
	Clock func() time.Time
	// Oldest returns the time in ms of the oldest sample that may be sent now; nil:
	// any may.
	Oldest func() int64
}

// maxAhead is how far ahead of Config.Clock a sample may lie.
const maxAhead = 10 * time.Minute

// Receiver is an http.Handler that stores what is sent to it. Its methods are
// safe for concurrent use.
type Receiver struct {
	cfg Config

	mu         sync.Mutex
	violations []string
	requests   int
	unspoken   int
	early      int
	last       *http.Request
	series     map[string]*series
	// bodies is the fate of each distinct body, by its hash.
	bodies map[bodyHash]*fate
	closed chan struct{}

	passing sync.Mutex // held while Config.Next has a request
	server  *http.Server
	served  sync.WaitGroup
}

// New returns a receiver. Close must be called if Start or Pipe was.
func New(cfg Config) *Receiver {
	return &Receiver{cfg: cfg, series: make(map[string]*series), bodies: make(map[bodyHash]*fate), closed: make(chan struct{})}
}

// Start serves on a free port of 127.0.0.1 and returns the URL of the write path.
func (r *Receiver) Start() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("receiver: %w", err)
	}
	r.serve(l)
	return "http://" + l.Addr().String() + "/api/v1/write", nil
}

// Pipe serves on connections in memory, made by the returned dialler; they work
// inside of a testing/synctest bubble, with real HTTP on both ends.
func (r *Receiver) Pipe() func(ctx context.Context, network, address string) (net.Conn, error) {
	l := newPipeListener()
	r.serve(l)
	return l.dial
}

func (r *Receiver) serve(l net.Listener) {
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	r.served.Go(func() {
		if err := r.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.violate("receiver: serve: %v", err)
		}
	})
}

// Close ends hanging requests and stops serving.
func (r *Receiver) Close() {
	r.mu.Lock()
	select {
	case <-r.closed:
	default:
		close(r.closed)
	}
	r.mu.Unlock()
	if r.server != nil {
		_ = r.server.Close()
		r.served.Wait()
	}
}

// Violations returns the duties that were not kept, in the order of their
// discovery; the same words are recorded once.
func (r *Receiver) Violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.violations)
}

func (r *Receiver) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violateLocked(format, args...)
}

func (r *Receiver) violateLocked(format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	if !slices.Contains(r.violations, words) {
		r.violations = append(r.violations, words)
	}
}

// Requests is how many requests have arrived.
func (r *Receiver) Requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// Last returns the request line's target and the headers of the latest request.
func (r *Receiver) Last() (uri string, header http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		return "", nil
	}
	return r.last.RequestURI, r.last.Header.Clone()
}

// Speak changes which versions are spoken, and how the others are answered, as
// Config.Without1 and Without2 say.
func (r *Receiver) Speak(without1, without2 *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cfg.Without1, r.cfg.Without2 = without1, without2
}

// Unspoken is how many requests were turned away with Without1 or Without2.
func (r *Receiver) Unspoken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unspoken
}

// Early is how many requests were refused because they lay ahead of Config.Clock.
func (r *Receiver) Early() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.early
}

// tooEarly says whether a sample lies too far ahead of the receiver's clock.
func (r *Receiver) tooEarly(samples []received) bool {
	if r.cfg.Clock == nil {
		return false
	}
	latest := r.cfg.Clock().Add(maxAhead).UnixMilli()
	if !slices.ContainsFunc(samples, func(s received) bool { return s.sample.At > latest }) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.early++
	return true
}

// Series returns the stored samples of each series in order of time, by the
// series' Key. A sample that was stored twice is there once.
func (r *Receiver) Series() map[string][]Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string][]Sample)
	for key, s := range r.series {
		if len(s.stored) > 0 {
			samples := slices.Clone(s.stored)
			slices.SortStableFunc(samples, func(a, b Sample) int { return int(a.At - b.At) })
			out[key] = samples
		}
	}
	return out
}

// Stored is how many samples are stored, over all series.
func (r *Receiver) Stored() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.series {
		n += len(s.stored)
	}
	return n
}

// Key is how a series is named here: name{a="b",c="d"}, labels sorted.
func Key(name string, labels map[string]string) string {
	var b strings.Builder
	b.WriteString(name)
	b.WriteByte('{')
	for i, k := range slices.Sorted(maps.Keys(labels)) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s=%q", k, labels[k])
	}
	b.WriteByte('}')
	return b.String()
}
