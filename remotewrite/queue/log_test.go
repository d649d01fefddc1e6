// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// total sums what was lost, whatever the reason.
func (o Outcome) total() (sum Loss) {
	for _, l := range o.Lost {
		sum = Loss{sum.Samples + l.Samples, sum.Stale + l.Stale, sum.Series + l.Series, sum.Bytes + l.Bytes}
	}
	return sum
}

// wantNoLoss proves that a cursor has lost nothing.
func wantNoLoss(t *testing.T, c *Cursor) {
	t.Helper()
	if lost := c.Outcome().Lost; len(lost) > 0 {
		t.Errorf("lost %+v", lost)
	}
}

// TestLogReleases proves that a tick is kept as long as a cursor needs it, and
// that nothing is kept for no one.
func TestLogReleases(t *testing.T) {
	r := newRig(t, Config{})
	want := func(ticks int) {
		t.Helper()
		if got, bytes := r.log.Usage().Ticks, r.log.Usage().Bytes; got != ticks || (bytes > 0) != (ticks > 0) {
			t.Errorf("%d ticks with %d bytes in the log, want %d", got, bytes, ticks)
		}
	}
	r.value(1000, 0, false, 1)
	want(0)
	fast, slow := r.log.Cursor("a", nil), r.log.Cursor("a", nil)
	r.value(2000, 0, false, 2)
	r.value(3000, 0, false, 3)
	want(2)
	for _, at := range []int64{2000, 3000} {
		tick, err := fast.Take(t.Context())
		if err != nil || tick.At != at {
			t.Fatalf("tick at %d, error %v, want %d", tick.At, err, at)
		}
		fast.Done("", false)
	}
	want(2)
	if got := slow.Position(); got.Ticks != 2 || got.Samples != 2 {
		t.Errorf("slow cursor is at %+v", got)
	}
	take(t, slow)
	slow.Done("", false)
	want(1)
	slow.Close()
	want(0)
	if fast.Position().Ticks > 0 {
		t.Error("fast cursor is not at the end")
	}
}

// TestLogBounds proves what each bound drops, from whom, and how it is counted.
func TestLogBounds(t *testing.T) {
	r := newRig(t, Config{})
	probe := r.log.Cursor("a", nil)
	r.value(1, 0, false, 1)
	tickBytes := r.log.Usage().Bytes
	probe.Close()

	for _, c := range []struct {
		name   string
		cfg    Config
		times  []int64
		held   bool // the first tick is taken before the others come
		kept   []int64
		lost   int
		reason string
	}{
		{"none", Config{}, []int64{1000, 2000, 9e9}, false, []int64{1000, 2000, 9e9}, 0, ""},
		{"bytes", Config{MaxBytes: 2*tickBytes + 20}, []int64{1000, 2000, 3000, 4000}, false, []int64{3000, 4000}, 2, ReasonLogFull},
		{"bytes, held", Config{MaxBytes: 2*tickBytes + 20}, []int64{1000, 2000, 3000, 4000}, true, []int64{1000, 3000, 4000}, 1, ReasonLogFull},
		{"newest stays", Config{MaxBytes: 1}, []int64{1000, 2000}, false, []int64{2000}, 1, ReasonLogFull},
		{"age", Config{MaxAge: time.Second}, []int64{1000, 2000, 3000}, false, []int64{2000, 3000}, 1, ReasonTooOld},
		{"age, held", Config{MaxAge: time.Second}, []int64{1000, 2000, 4001}, true, []int64{1000, 4001}, 1, ReasonTooOld},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.cfg)
			cur := r.log.Cursor("a", nil)
			var got []int64
			take := func() { got = append(got, take(t, cur).At) }
			for i, at := range c.times {
				r.value(at, 0, false, 1)
				if i == 0 && c.held {
					take()
				}
			}
			if c.held {
				cur.Done("", false)
			}
			for cur.Position().Ticks > 0 {
				if p := cur.Position(); p.Samples != int64(p.Ticks) {
					t.Errorf("%d samples pending in %d ticks", p.Samples, p.Ticks)
				}
				take()
				cur.Done("", false)
			}
			if diff := cmp.Diff(c.kept, got); diff != "" {
				t.Error(diff)
			}
			if lost := cur.Outcome().Lost; lost[c.reason].Samples != int64(c.lost) || (len(lost) > 0) != (c.lost > 0) {
				t.Errorf("lost %+v, want %d for %q", lost, c.lost, c.reason)
			}
			if p := cur.Position(); p.Samples != 0 || p.Ticks != 0 {
				t.Errorf("at the end %+v is pending", p)
			}
		})
	}
}

// TestAppendRejects proves what makes a tick unfit, and that the cursors then
// count and repair it as dropped where time has continued.
func TestAppendRejects(t *testing.T) {
	for _, c := range []struct {
		name string
		fill func(*TickBuilder)
		at   int64
		want string
	}{
		{"not later", func(*TickBuilder) {}, 1000, "not later than the last"},
		{"zero too late", func(t *TickBuilder) { t.Zero(bytesMetric, 2000) }, 2000, "zero of test_bytes at 2000"},
		{"zero too early", func(t *TickBuilder) { t.Zero(bytesMetric, 999) }, 2000, "zero of test_bytes at 999"},
		{"start too late", func(t *TickBuilder) { t.Value(bytesMetric, 2000, 1) }, 2000, "started at 2000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			cur := r.log.Cursor("a", nil)
			r.value(1000, 0, false, 1)
			tick := r.log.Begin(c.at)
			tick.Labels(nil)
			c.fill(tick)
			err := r.log.Append(tick)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not say %q", err, c.want)
			}
			r.value(3000, 0, false, 1) // the builder is fit again
			if want := map[bool]int{true: 3, false: 2}[c.at > 1000]; cur.Position().Ticks != want {
				t.Errorf("%d ticks, want %d", cur.Position().Ticks, want)
			}
		})
	}
}

// TestCountedBefore proves that only what was counted since somebody looked can be lost.
func TestCountedBefore(t *testing.T) {
	tick := &TickBuilder{at: 10_000}
	tick.Labels(nil)
	tick.End(bytesMetric, 0, 1_000_000) // without a start
	tick.End(bytesMetric, 5_000, 7)
	if tick.err != nil || tick.endedBytes != 7 {
		t.Errorf("%d bytes could be lost (%v), want 7", tick.endedBytes, tick.err)
	}
}
