// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func fixed(v float64) func() float64 { return func() float64 { return v } }

func TestBackoffDoubles(t *testing.T) {
	for _, c := range []struct {
		name   string
		random float64
		want   []time.Duration
	}{
		{"lowest", 0, []time.Duration{1e9, 2e9, 4e9, 8e9, 15e9, 15e9}},
		{"middle", 0.5, []time.Duration{1.5e9, 3e9, 6e9, 12e9, 22.5e9, 22.5e9}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := backoff{random: fixed(c.random), min: minDelay, max: maxDelay}
			var got []time.Duration
			for range c.want {
				got = append(got, b.after(reasonDial, 0, time.Time{}))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			// A short connection is no success, a long one is.
			if d := b.after(reasonLost, healthyAfter-1, time.Time{}); d < 15e9 {
				t.Errorf("%v after a short connection", d)
			}
			if d := b.after(reasonLost, healthyAfter, time.Time{}); d >= 2e9 {
				t.Errorf("%v after a healthy one", d)
			}
		})
	}
}

// A 409 is tried again for as long as the analyzer may need to notice that the
// old connection is dead, and some more; then it is a failure like others.
func TestConflictIsRetriedQuickly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff{random: fixed(0.5), min: minDelay, max: maxDelay}
		for range 5 {
			b.after(reasonDial, 0, time.Now()) // what was before makes no difference
		}
		begin, attempts := time.Now(), 0
		for {
			d := b.after(reasonConflict, 0, time.Now())
			if d >= minDelay {
				break
			}
			attempts++
			<-time.After(d)
		}
		if took := time.Since(begin); took < 7*time.Second || took > 11*time.Second || attempts < 7 {
			t.Errorf("%d quick attempts in %v", attempts, took)
		}
		b.after(reasonDial, 0, time.Now())
		if d := b.after(reasonConflict, 0, time.Now()); d >= minDelay {
			t.Errorf("a later conflict waits %v", d)
		}
	})
}

func TestDelaysStayWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := backoff{
			random: func() float64 { return rapid.Float64Range(0, 0.9999).Draw(t, "random") },
			min:    minDelay, max: maxDelay,
		}
		now := time.Unix(0, 0)
		for range 50 {
			r := rapid.SampledFrom(reasons()).Draw(t, "reason")
			lasted := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "lasted"))
			d := b.after(r, lasted, now)
			least := minDelay
			if r == reasonConflict {
				least = conflictDelay
			}
			if d < least || d > maxDelay {
				t.Fatalf("%v after %s", d, r)
			}
			now = now.Add(lasted + d)
		}
	})
}
