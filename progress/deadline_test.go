// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package progress

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestDeadline proves that only a job which takes longer than it said is overdue, and
// for how long.
func TestDeadline(t *testing.T) {
	for _, c := range []struct {
		name  string
		state func(*Deadline)
		want  time.Duration // an hour later
	}{
		{"new", func(*Deadline) {}, 0},
		{"busy", (*Deadline).Busy, time.Hour},
		{"idle", func(d *Deadline) { d.Busy(); d.Idle() }, 0},
		{"waiting", func(d *Deadline) { d.Busy(); d.Set(time.Minute) }, 59 * time.Minute},
		{"waiting for longer", func(d *Deadline) { d.Busy(); d.Set(2 * time.Hour) }, 0},
		{"the longest wait decides", func(d *Deadline) { d.Busy(); d.Set(time.Minute); d.Set(time.Second) }, 59 * time.Minute},
		{"the wait is over", func(d *Deadline) { d.Busy(); d.Set(time.Minute); d.Busy() }, time.Hour},
		{"no wait", func(d *Deadline) { d.Busy(); d.Set(-time.Minute) }, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDeadline()
				c.state(d)
				if now := d.Overdue(); now != 0 {
					t.Errorf("overdue by %s at once", now)
				}
				time.Sleep(time.Hour)
				if got := d.Overdue(); got != c.want {
					t.Errorf("overdue by %s, want %s", got, c.want)
				}
			})
		})
	}
}
