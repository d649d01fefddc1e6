// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCursorAddedBesideOpenTick proves that an endpoint which comes while a tick
// is built for no one begins with the tick after it.
func TestCursorAddedBesideOpenTick(t *testing.T) {
	r := newRig(t, Config{})
	tick := r.log.Begin(1000)
	cur := r.log.Cursor("a", nil)
	appendTo(t, r.log, tick)
	r.value(2000, 0, false, 1)
	if got := take(t, cur); got.At != 2000 || got.Gap != nil {
		t.Errorf("tick %+v", got)
	}
}

// TestGap walks through the sequences of drops and answers, and proves which
// zeros the next tick needs beside its own.
func TestGap(t *testing.T) {
	const interval = 10
	step := func(r *rig, at int64) { r.value(at, 0, false, 1) }
	for _, c := range []struct {
		name string
		walk func(t *testing.T, r *rig, c *Cursor)
		at   int64
		want *Gap
	}{
		{"nothing lost", func(t *testing.T, r *rig, c *Cursor) {
			step(r, 10)
			finish(t, c)
			step(r, 20)
		}, 20, nil},
		{"one dropped", func(t *testing.T, r *rig, c *Cursor) {
			step(r, 10)
			finish(t, c)
			step(r, 20)
			step(r, 30) // drops 20
		}, 30, &Gap{From: 10, Before: 20, At: 20}},
		{"several dropped, then a pause", func(t *testing.T, r *rig, c *Cursor) {
			step(r, 10)
			finish(t, c)
			step(r, 20)
			step(r, 30)
			step(r, 100)
		}, 100, &Gap{From: 10, Before: 30, At: 90}},
		{"repaired once", func(t *testing.T, r *rig, c *Cursor) {
			step(r, 10)
			finish(t, c)
			step(r, 20)
			step(r, 30)
			finish(t, c)
			step(r, 40)
		}, 40, nil},
		{"dropped while one was held, which finished", func(t *testing.T, r *rig, c *Cursor) {
			step(r, 10)
			take(t, c)
			step(r, 20)
			step(r, 30)
			c.Answered(StepZeros)
			c.Done(nil, false)
		}, 30, &Gap{From: 10, Before: 20, At: 20}},
		{"given up among zeros", func(t *testing.T, r *rig, c *Cursor) {
			step(r, 10)
			finish(t, c)
			step(r, 20)
			take(t, c)
			step(r, 30)
			c.GiveUp(1, 0, ReasonTooOld)
			c.Done(nil, false)
		}, 30, &Gap{From: 10, Before: 20, At: 20}},
		{"given up among values", func(t *testing.T, r *rig, c *Cursor) {
			step(r, 10)
			finish(t, c)
			step(r, 20)
			take(t, c)
			c.Answered(StepZeros)
			step(r, 30)
			c.GiveUp(1, 0, ReasonTooOld)
			c.Done(nil, false)
		}, 30, nil},
		{"given up among values, more dropped behind it", func(t *testing.T, r *rig, c *Cursor) {
			step(r, 10)
			finish(t, c)
			step(r, 20)
			take(t, c)
			c.Answered(StepZeros)
			step(r, 30)
			step(r, 40)
			c.GiveUp(1, 0, ReasonTooOld)
			c.Done(nil, false)
		}, 40, &Gap{From: 20, Before: 30, At: 30}},
		{"repair given up, repaired at the next", func(t *testing.T, r *rig, c *Cursor) {
			step(r, 10)
			finish(t, c)
			step(r, 20)
			step(r, 30)
			take(t, c)
			c.GiveUp(1, 0, ReasonTooOld)
			c.Done(nil, false)
			step(r, 40)
		}, 40, &Gap{From: 10, Before: 30, At: 30}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{MaxBytes: 1, PushInterval: interval * time.Millisecond})
			cur := r.log.Cursor("a", nil)
			c.walk(t, r, cur)
			tick := take(t, cur)
			if tick.At != c.at {
				t.Fatalf("next tick is at %d, want %d", tick.At, c.at)
			}
			if diff := cmp.Diff(c.want, tick.Gap); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPushIntervalChanges proves that a reload's push interval decides where a
// missing zero goes.
func TestPushIntervalChanges(t *testing.T) {
	r := newRig(t, Config{MaxBytes: 1, PushInterval: 10 * time.Millisecond})
	cur := r.log.Cursor("a", nil)
	for _, at := range []int64{10, 20, 100} { // drops the first two
		r.value(at, 0, false, 1)
	}
	r.log.SetPushInterval(30 * time.Millisecond)
	if missing := take(t, cur).Gap; missing == nil || missing.At != 70 {
		t.Errorf("missing %+v, want a zero at 70", missing)
	}
}
