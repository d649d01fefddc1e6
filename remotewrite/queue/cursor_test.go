// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"strconv"
	"strings"
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
// zeros the next tick needs beside its own. Of the steps, a number appends a tick at
// that time, behind which only what is held stays.
func TestGap(t *testing.T) {
	const interval = 10 * time.Millisecond
	for _, c := range []struct {
		name, steps string
		at          int64
		want        *Gap
	}{
		{"nothing lost", "10 finish 20", 20, nil},
		{"one dropped", "10 finish 20 30", 30, &Gap{From: 10, Before: 20, At: 20}},
		{"several dropped, then a pause", "10 finish 20 30 100", 100, &Gap{From: 10, Before: 30, At: 90}},
		{"the push interval changes", "10 20 100 interval", 100, &Gap{From: Never, Before: 20, At: 70}},
		{"repaired once", "10 finish 20 30 finish 40", 40, nil},
		{"dropped while one was held, which finished", "10 take 20 30 zeros done", 30, &Gap{From: 10, Before: 20, At: 20}},
		{"given up among zeros", "10 finish 20 take 30 give-up", 30, &Gap{From: 10, Before: 20, At: 20}},
		{"given up among values", "10 finish 20 take zeros 30 give-up", 30, nil},
		{"given up among values, more dropped behind it", "10 finish 20 take zeros 30 40 give-up", 40, &Gap{From: 20, Before: 30, At: 30}},
		{"repair given up, repaired at the next", "10 finish 20 30 take give-up 40", 40, &Gap{From: 10, Before: 30, At: 30}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{MaxBytes: 1, PushInterval: interval})
			cur := r.log.Cursor("a", nil)
			for step := range strings.FieldsSeq(c.steps) {
				switch step {
				case "finish":
					finish(t, cur)
				case "take":
					take(t, cur)
				case "zeros":
					cur.Answered(StepZeros)
				case "done":
					cur.Done("", false)
				case "give-up":
					cur.GiveUp(1, 0, ReasonTooOld)
					cur.Done("", false)
				case "interval":
					r.log.SetPushInterval(3 * interval)
				default:
					at, err := strconv.ParseInt(step, 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					r.value(at, 0, false, 1)
				}
			}
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
