// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// feedClock drives a watchdog through a story in fake time.
type feedClock struct {
	*watchdog
	t *testing.T
}

func inFakeTime(t *testing.T, fixedTimeout time.Duration, story func(c *feedClock)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &feedClock{watchdog: newWatchdog(fixedTimeout, fixed(0)), t: t}
		c.begin(time.Now())
		story(c)
	})
}

func (c *feedClock) pass(d time.Duration) { <-time.After(d) }

func (c *feedClock) hearStats() {
	c.data(time.Now())
	c.stats(time.Now())
}

func (c *feedClock) hearFlows(window time.Duration) {
	c.data(time.Now())
	c.flows(time.Now(), window)
}

// patient checks how long the feed may be quiet from now on.
func (c *feedClock) patient(want time.Duration) {
	c.t.Helper()
	if got := time.Until(c.due()); got != want {
		c.t.Errorf("patience is %v, want %v", got, want)
	}
}

// giveUp is what a silence and the reconnect after it do.
func (c *feedClock) giveUp() {
	c.pass(time.Until(c.due()))
	c.gaveUp()
	c.pass(2 * time.Second)
	c.begin(time.Now())
}

func TestPatienceBeforeAnythingIsKnown(t *testing.T) {
	inFakeTime(t, 0, func(c *feedClock) {
		c.patient(5 * time.Minute)
		// It doubles with each reconnect that brings nothing, up to 1 h.
		for _, want := range []time.Duration{10, 20, 40, 60, 60} {
			c.giveUp()
			c.patient(want * time.Minute)
		}
		c.hearFlows(0)
		c.patient(5 * time.Minute)
	})
}

func TestPatienceFromStats(t *testing.T) {
	inFakeTime(t, 0, func(c *feedClock) {
		c.hearStats()
		c.patient(35 * time.Second)
		for range 10 {
			c.pass(10 * time.Second)
			c.hearStats()
			c.patient(35 * time.Second)
		}
		// The capture goes away: each reconnect that brings nothing doubles.
		for _, want := range []time.Duration{70, 140, 280} {
			c.giveUp()
			c.patient(want * time.Second)
		}
		// It is back soon after a reconnect: the reconnect may have been the cure.
		c.giveUp()
		c.pass(10 * time.Second)
		c.hearStats()
		c.patient(35 * time.Second)
	})
}

// An analyzer whose stats come less often is not reconnected for ever.
func TestPatienceLearnsTheGapsOfStats(t *testing.T) {
	inFakeTime(t, 0, func(c *feedClock) {
		reconnects := 0
		c.hearStats()
		next := time.Now()
		for range 60 {
			next = next.Add(time.Minute)
			for c.due().Before(next) {
				c.giveUp()
				reconnects++
			}
			c.pass(time.Until(next))
			c.hearStats()
		}
		if reconnects != 1 {
			t.Errorf("%d reconnects in a sound feed", reconnects)
		}
	})
}

func TestPatienceFromUpdates(t *testing.T) {
	for _, c := range []struct{ window, want time.Duration }{
		{60 * time.Second, 185 * time.Second},
		{5 * time.Minute, 15*time.Minute + 5*time.Second},
		{10 * time.Second, 2 * time.Minute},
		{24 * time.Hour, time.Hour},
		{0, 5 * time.Minute},
	} {
		t.Run(c.window.String(), func(t *testing.T) {
			inFakeTime(t, 0, func(f *feedClock) {
				f.hearFlows(c.window)
				f.patient(c.want)
			})
		})
	}
}

// A silence that ended by itself is normal, and so is twice as long a one. It
// is forgotten after a while.
func TestPatienceLearnsSilences(t *testing.T) {
	inFakeTime(t, 0, func(c *feedClock) {
		c.hearFlows(time.Minute)
		c.pass(3 * time.Minute)
		c.hearFlows(time.Minute)
		c.patient(6 * time.Minute)
		for range 30 {
			c.pass(time.Minute)
			c.hearFlows(time.Minute)
		}
		c.patient(185 * time.Second)
	})
}

// Stats that ended before the flows did explain nothing.
func TestPatienceWhenStatsEndFirst(t *testing.T) {
	inFakeTime(t, 0, func(c *feedClock) {
		c.hearStats()
		c.hearFlows(time.Minute)
		c.patient(35 * time.Second)
		c.pass(30 * time.Second)
		c.hearFlows(time.Minute)
		c.patient(185 * time.Second)
	})
}

func TestConfiguredPatience(t *testing.T) {
	inFakeTime(t, 42*time.Second, func(c *feedClock) {
		c.patient(42 * time.Second)
		c.giveUp()
		c.patient(42 * time.Second)
		c.hearStats()
		c.patient(42 * time.Second)
		c.configure(0)
		c.patient(35 * time.Second)
	})
}

func TestJitterIsDrawnForEachConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		draws := []float64{0.4, 0.8}
		w := newWatchdog(100*time.Second, func() float64 { d := draws[0]; draws = draws[1:]; return d })
		for _, want := range []time.Duration{110 * time.Second, 120 * time.Second} {
			w.begin(time.Now())
			if got := time.Until(w.due()); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		}
	})
}

// TestStatsAloneProveTheSubscription proves that a feed whose traffic pauses is not
// reconnected while statistics come, and is as soon as they cease: flow.update 10,
// 3,000 short connections, then nothing. The capture still counts packets.
func TestStatsAloneProveTheSubscription(t *testing.T) {
	inFakeTime(t, 0, func(c *feedClock) {
		for range 3 {
			c.hearStats()
			c.hearFlows(10 * time.Second)
			c.pass(10 * time.Second)
		}
		for range 1000 {
			c.hearStats()
			c.patient(35 * time.Second)
			c.pass(10 * time.Second)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatchdog(0, fixed(0))
		begin := time.Now()
		w.begin(begin)
		// What is learned while it watches makes it due earlier.
		go func() {
			<-time.After(20 * time.Second)
			w.data(time.Now())
			w.stats(time.Now())
		}()
		if !w.watch(t.Context()) {
			t.Error("stopped watching")
		}
		if took := time.Since(begin); took != 55*time.Second {
			t.Errorf("silent after %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.begin(time.Now())
		go func() { <-time.After(time.Second); cancel() }()
		if w.watch(ctx) {
			t.Error("silent within a second")
		}
	})
}
