// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestFoldHoldsEnds proves that an endpoint which folds ticks in memory keeps only
// their ends there, and copies of its own: others may fold them too.
func TestFoldHoldsEnds(t *testing.T) {
	l := NewLog(LogConfig{PushInterval: pushInterval}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	c := l.newCursor()
	defer wantNoLoss(t, c)
	c.setWindow(time.Minute.Milliseconds())
	l.newCursor() // takes ticks of any age, so that they are whole in the log
	for i := range 12 {
		if err := l.Append(endingTick(l, i)); err != nil {
			t.Fatal(err)
		}
	}
	held, _, err := c.take(t.Context())
	if err != nil || held.fold == nil || len(held.fold.ticks) < 2 {
		t.Fatalf("held %+v, %v, want a fold of several ticks", held, err)
	}
	for i, tick := range held.fold.ticks {
		if len(tick.zeros)+len(tick.values) > 0 || len(tick.ends) != 1 {
			t.Errorf("tick %d: %d blocks, want its ends only", i, len(tick.zeros)+len(tick.values)+len(tick.ends))
		}
		if tick == l.ticks[i] {
			t.Errorf("tick %d is the log's own", i)
		}
	}
}

// TestToFoldDropped proves that who waits for an endpoint learns that it has nothing
// left, where the log has dropped what the endpoint held and would fold.
func TestToFoldDropped(t *testing.T) {
	l := NewLog(LogConfig{MaxAge: time.Minute}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	c := l.newCursor()
	if err := l.Append(endingTick(l, 0)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(l.Begin(2 * 60_000)); err != nil { // drops it
		t.Fatal(err)
	}
	changed := l.changed
	c.toFold(0)
	select {
	case <-changed:
	default:
		t.Error("nobody is told")
	}
	if dropped := c.outcome().total().Samples; c.next != 2 || dropped != 13 {
		t.Errorf("next is %d, %d samples dropped", c.next, dropped)
	}
}

// TestFoldTorn proves that a fold of which a crash and a bound leave less than was
// being sent does not send other sums than before, and counts what may be missing.
func TestFoldTorn(t *testing.T) {
	for step := range foldSteps {
		t.Run(fmt.Sprintf("group %d under way", step), func(t *testing.T) {
			d := disktest.New(1)
			open := func() (*Log, *cursor) {
				l, err := OpenLog(LogConfig{FS: d, Dir: "log", SegmentBytes: 1, PushInterval: pushInterval}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				c := l.resumeCursor("a")
				c.setWindow(time.Minute.Milliseconds())
				l.settle()
				return l, c
			}
			l, c := open()
			for i := range 12 {
				if err := l.Append(endingTick(l, i)); err != nil {
					t.Fatal(err)
				}
			}
			held, _, err := c.take(t.Context())
			if err != nil || held.fold == nil {
				t.Fatalf("held %+v, %v, want a fold", held, err)
			}
			ends := len(held.fold.ticks)
			c.answered(step)
			c.close()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if err := d.Remove(segments(d)[0]); err != nil {
				t.Fatal(err)
			}
			l, c = open()
			if held, _, err = c.take(t.Context()); err != nil || held.fold == nil || len(held.fold.ticks) != ends-1 {
				t.Fatalf("held %+v, %v, want the rest of the fold", held, err)
			}
			want, lost := step, 0
			if step == foldSums {
				want, lost = step+1, ends-1
			}
			if series := int(c.outcome().total().Series); held.fold.step != want || series != lost {
				t.Errorf("continues at group %d, %d series lost, want %d, %d", held.fold.step, series, want, lost)
			}
			c.close()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
