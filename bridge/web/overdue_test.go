// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestOverdue proves that a handler that hangs is noticed, by one request however
// often it is asked, and that one that says no or panics does not count as hanging.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests int
		var ready func() (bool, string)
		r := newRig(t, func(o *Options) {
			o.RoutePrefix = "/skybridge"
			o.Ready = func() (bool, string) { requests++; return ready() }
		})
		overdue := func(want time.Duration) {
			t.Helper()
			synctest.Wait()
			if got := r.Overdue(); got != want {
				t.Errorf("overdue by %s, want %s", got, want)
			}
			synctest.Wait()
		}
		ready = func() (bool, string) { return false, "not subscribed" }
		overdue(0)
		time.Sleep(time.Minute)
		overdue(0)
		ready = func() (bool, string) { panic("a bug") }
		overdue(0)
		overdue(0)
		if requests != 4 {
			t.Errorf("%d requests, want 4", requests)
		}
		hung := make(chan struct{})
		ready = func() (bool, string) { <-hung; return true, "" }
		overdue(0)
		for n := range 3 {
			time.Sleep(time.Minute)
			overdue(time.Duration(n+1) * time.Minute)
		}
		if requests != 5 {
			t.Errorf("%d requests, want 5: one hangs", requests)
		}
		close(hung)
		overdue(0)
	})
}
