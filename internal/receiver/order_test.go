// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestOrder proves what is allowed of requests that follow each other.
func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		status []int // answers, in order; 0 drops the connection
		bodies [][]byte
		config Config
		want   string
	}{
		{name: "in order", bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 2, 2))}},
		{name: "backwards", bodies: [][]byte{body(t, one("v", 2, 1)), body(t, one("v", 1, 2))}, want: "at 1 after one at 2"},
		{name: "other value", bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 2))}, want: "two values"},
		{name: "resent after 503", status: []int{503}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}},
		{name: "resent after reset", status: []int{0}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}},
		{name: "resent after 429", status: []int{429}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}},
		{name: "resent after 408", status: []int{408}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}},
		{name: "resent after 425", status: []int{425}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}},
		{name: "resent after 413", status: []int{413}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}, want: "after its answer 413"},
		{name: "halves after 413", status: []int{413}, bodies: [][]byte{body(t, one("v", 1, 1), one("w", 1, 1)), body(t, one("v", 1, 1)), body(t, one("w", 1, 1))}},
		{name: "half twice after 413", status: []int{413}, bodies: [][]byte{body(t, one("v", 1, 1), one("w", 1, 1)), body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}, want: "sent again"},
		{name: "half after 400", status: []int{400}, bodies: [][]byte{body(t, one("v", 1, 1), one("w", 1, 1)), body(t, one("v", 1, 1))}, want: "in another request"},
		{name: "resent after a code that may be retried", config: Config{Retried: []int{401}}, status: []int{401}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}},
		{name: "resent after final 429", config: Config{Final429: true}, status: []int{429}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}, want: "after its answer 429"},
		{name: "resent after 204", bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}, want: "after its answer 204"},
		{name: "resent after 400", status: []int{400}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 1, 1))}, want: "after its answer 400"},
		{name: "other body", status: []int{503}, bodies: [][]byte{body(t, one("v", 1, 1), one("w", 1, 1)), body(t, one("v", 1, 1))}, want: "in another request"},
		{name: "newer before an answer", status: []int{503}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 2, 1))}, want: "no final answer"},
		{name: "given up", config: Config{GiveUps: true}, status: []int{503}, bodies: [][]byte{body(t, one("v", 1, 1)), body(t, one("v", 2, 1))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Fail = func(n int, _ *http.Request) Fault {
				if n < len(c.status) {
					return Fault{Status: c.status[n], NoAnswer: c.status[n] == 0}
				}
				return Fault{}
			}
			r := New(c.config)
			p := newPeer(t, r)
			for _, b := range c.bodies {
				p.post(b)
			}
			wantViolation(t, r, c.want)
		})
	}
}

// TestConcurrent proves that a series in two requests at once is noticed, and
// that a resend after the sender gave up waiting is not taken for it.
func TestConcurrent(t *testing.T) {
	t.Run("same series", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			r := New(Config{Fail: func(n int, _ *http.Request) Fault {
				if n == 0 {
					return Fault{Hang: release}
				}
				return Fault{}
			}})
			p := newPeer(t, r)
			first := make(chan struct{})
			go func() { defer close(first); p.post(body(t, one("v", 1, 1))) }()
			synctest.Wait()
			p.post(body(t, one("v", 1, 1)))
			wantViolation(t, r, "two concurrent requests")
			close(release)
			<-first
		})
	})
	t.Run("timed out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := New(Config{Fail: func(n int, _ *http.Request) Fault {
				if n == 0 {
					return Fault{HangForever: true}
				}
				return Fault{}
			}})
			p := newPeer(t, r)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := p.send(ctx, http.MethodPost, header(1), body(t, one("v", 1, 1))); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			if got := p.post(body(t, one("v", 1, 1))); got != 204 {
				t.Fatalf("status %d", got)
			}
			wantViolation(t, r, "")
		})
	})
}

// TestFaults proves that each fault is seen by the sender as it was ordered.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  Fault
		status int // 0: an error
		stored int
		took   time.Duration
	}{
		{name: "none", status: 204, stored: 1},
		{name: "status", fault: Fault{Status: 503}, status: 503},
		{name: "stored, said otherwise", fault: Fault{Status: 500, Store: true}, status: 500, stored: 1},
		{name: "stored, no answer", fault: Fault{Store: true, NoAnswer: true}, stored: 1},
		{name: "reset in mid-body", fault: Fault{ResetAfter: 5}},
		{name: "slow", fault: Fault{ReadPause: time.Second}, status: 204, stored: 1, took: time.Second},
		{name: "slow answer", fault: Fault{Status: 200, AnswerPause: time.Minute}, status: 200, stored: 1, took: time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(Config{Fail: func(int, *http.Request) Fault { return c.fault }})
				p := newPeer(t, r)
				began := time.Now()
				if got := p.post(body(t, one("v", 1, 1))); got != c.status {
					t.Errorf("status %d, want %d", got, c.status)
				}
				if got := time.Since(began); got != c.took {
					t.Errorf("took %v, want %v", got, c.took)
				}
				if got := r.Stored(); got != c.stored {
					t.Errorf("%d samples stored, want %d", got, c.stored)
				}
				wantViolation(t, r, "")
			})
		})
	}
}
