// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestCondenseHoldsEnds proves that an endpoint which condenses ticks in memory keeps only
// their ends there, and copies of its own: others may condensed them too.
func TestCondenseHoldsEnds(t *testing.T) {
	l := openLog(t, Config{PushInterval: pushInterval})
	c := l.Cursor("a", nil)
	defer wantNoLoss(t, c)
	c.SetWindow(time.Minute.Milliseconds())
	l.Cursor("a", nil) // takes ticks of any age, so that they are whole in the log
	appendEnding(t, l, 12)
	held, err := c.Take(t.Context())
	if err != nil || held.Condensed == nil || len(held.Condensed.Ticks) < 2 {
		t.Fatalf("held %+v, %v, want a batch of several ticks", held, err)
	}
	for i, tick := range held.Condensed.Ticks {
		if len(tick.Zeros)+len(tick.Values) > 0 || len(tick.Ends) != 1 {
			t.Errorf("tick %d: %d blocks, want its ends only", i, len(tick.Zeros)+len(tick.Values)+len(tick.Ends))
		}
		if tick == l.ticks[i] {
			t.Errorf("tick %d is the log's own", i)
		}
	}
}

// TestCondenseDropped proves that who waits for an endpoint learns that it has nothing
// left, where the log has dropped what the endpoint held and would condensed.
func TestCondenseDropped(t *testing.T) {
	l := openLog(t, Config{MaxAge: time.Minute})
	c := l.Cursor("a", nil)
	appendTo(t, l, endingTick(l, 0))
	take(t, c)
	appendTo(t, l, l.Begin(2*60_000)) // drops it
	changed := l.changed
	c.Condense(0)
	select {
	case <-changed:
	default:
		t.Error("no one learns it")
	}
	if dropped := c.Outcome().total().Samples; c.next != 2 || dropped != 13 {
		t.Errorf("next is %d, %d samples dropped", c.next, dropped)
	}
}

// TestCondenseTorn proves that the batch of which a crash and a bound leave less than was
// being sent does not send other sums than before, and counts what may be missing.
func TestCondenseTorn(t *testing.T) {
	for step := range CondenseSteps {
		t.Run(fmt.Sprintf("group %d under way", step), func(t *testing.T) {
			d := disktest.New(1)
			open := func() (*Log, *Cursor) {
				l, c := openFor(t, Config{FS: d, SegmentBytes: 1, PushInterval: pushInterval})
				c.SetWindow(time.Minute.Milliseconds())
				return l, c
			}
			l, c := open()
			appendEnding(t, l, 12)
			held, err := c.Take(t.Context())
			if err != nil || held.Condensed == nil {
				t.Fatalf("held %+v, %v, want a batch", held, err)
			}
			ends := len(held.Condensed.Ticks)
			c.Answered(step)
			closeLog(t, l, c)
			if err := d.Remove(segments(d)[0]); err != nil {
				t.Fatal(err)
			}
			l, c = open()
			if held, err = c.Take(t.Context()); err != nil || held.Condensed == nil || len(held.Condensed.Ticks) != ends-1 {
				t.Fatalf("held %+v, %v, want the rest of the batch", held, err)
			}
			want, lost := step, 0
			if step == CondenseSums {
				want, lost = step+1, ends-1
			}
			if series := int(c.Outcome().total().Series); held.Condensed.Step != want || series != lost {
				t.Errorf("continues at group %d, %d series lost, want %d, %d", held.Condensed.Step, series, want, lost)
			}
			closeLog(t, l, c)
		})
	}
}
