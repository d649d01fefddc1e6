// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestTicksAheadWait appends ticks that lie ahead of the clock: each goes out when
// the clock is near it, and neither before nor later.
func TestTicksAheadWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		rec := r.receiver("a", receiver.Config{Clock: time.Now})
		r.apply(EndpointConfig{URL: "http://a/"})
		ahead := func(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }
		start := ahead(-time.Second)
		r.value(ahead(4*time.Minute), start, true, 1)
		r.value(ahead(time.Hour), start, false, 2)
		r.value(ahead(61*time.Minute), start, false, 3)
		for _, step := range []struct {
			pass   time.Duration
			stored int
		}{{0, 2}, {54 * time.Minute, 2}, {time.Minute + time.Second, 3}, {time.Minute, 4}} {
			time.Sleep(step.pass)
			synctest.Wait()
			if got := rec.Stored(); got != step.stored {
				t.Errorf("%d samples stored, want %d", got, step.stored)
			}
		}
		if n := rec.Early(); n != 0 {
			t.Errorf("%d requests came too early", n)
		}
		if n := r.count("they wait for their time"); n != 1 {
			t.Errorf("%d log lines, want 1", n)
		}
	})
}

// TestTicksAheadAtTheEnd proves what Flush does with a tick that lies ahead: on disk
// it stays for its time, in memory it has its last chance now.
func TestTicksAheadAtTheEnd(t *testing.T) {
	for _, test := range []struct {
		name    string
		durable bool
		stored  int
	}{{"durable", true, 0}, {"memory", false, 2}} {
		bubble(t, test.name, func(t *testing.T) {
			cfg := queue.Config{}
			if test.durable {
				cfg.FS, cfg.Dir = disk.OS{}, t.TempDir()
			}
			r := newRig(t, cfg)
			rec := r.receiver("a", receiver.Config{})
			r.apply(EndpointConfig{URL: "http://a/"})
			r.value(time.Now().Add(time.Hour).UnixMilli(), 1, true, 1)
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			if err := r.sender.Flush(ctx); (err != nil) != test.durable {
				t.Errorf("flush: %v", err)
			}
			if got := rec.Stored(); got != test.stored {
				t.Errorf("%d samples stored, want %d", got, test.stored)
			}
			r.sender.Close()
			if err := r.log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClockOfTheSender proves that what is too old, and what lies ahead, goes by the
// time of day that the sender was given.
func TestClockOfTheSender(t *testing.T) {
	for _, test := range []struct {
		name            string
		off             time.Duration
		stored, dropped float64
	}{{"right", 0, 2, 0}, {"an hour ahead", time.Hour, 0, 2}, {"an hour behind", -time.Hour, 0, 0}} {
		bubble(t, test.name, func(t *testing.T) {
			r := newRig(t, queue.Config{})
			r.halt(nil)
			r.now = func() time.Time { return time.Now().Add(test.off) }
			r.start()
			rec := r.receiver("a", receiver.Config{})
			r.apply(EndpointConfig{URL: "http://a/", SampleAgeLimit: 50 * time.Minute})
			r.value(time.Now().UnixMilli(), time.Now().UnixMilli()-1, true, 1)
			time.Sleep(time.Minute)
			if got := float64(rec.Stored()); got != test.stored {
				t.Errorf("%v samples stored, want %v", got, test.stored)
			}
			r.wantMetric(test.dropped, prefix+"samples_dropped_total")
		})
	}
}

// TestQuietTimeIsMonotonic proves that a wish of Retry-After ends by the monotonic
// clock: one that ended by the time of day would last for hours once that is set
// back.
func TestQuietTimeIsMonotonic(t *testing.T) {
	var q quietTime
	q.extend(time.Minute)
	if until := *q.until.Load(); !strings.Contains(until.String(), " m=") {
		t.Errorf("%v has no monotonic reading", until)
	}
	q.extend(time.Second)
	if left := q.left(); left <= time.Second || left > time.Minute {
		t.Errorf("%v left of a minute after a shorter wish", left)
	}
	q.clear()
	if left := q.left(); left != 0 {
		t.Errorf("%v left after clear", left)
	}
}
