// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/input"
)

// TestCapturesEndForGood proves that captures which a reload ended have ended for
// the next process as well: they would continue from what they counted before, under
// other names, and count it twice.
func TestCapturesEndForGood(t *testing.T) {
	for name, saves := range map[string]bool{"entries": false, "snapshot": true} {
		for _, ticks := range []int{1, 2} { // with stale markers still to come, and without
			t.Run(name, func(t *testing.T) {
				m := knownProcess(t, Config{})
				m.saves = saves
				report := func() { m.Stats(input.CaptureStats{CaptureID: []byte("c1"), FlowDropped: 100}) }
				for range 4 {
					report()
					m.tick()
				}
				m.EndAll(false)
				for range ticks {
					m.tick()
				}
				if ticks > 1 {
					report()
					m.tick()
				}
				want := *m.captures.byID["c1"]
				m.crash(false)
				m.begin()
				got := *m.captures.byID["c1"]
				if diff := cmp.Diff([]any{want.phase, want.total, want.start}, []any{got.phase, got.total, got.start}); diff != "" {
					t.Errorf("after %d ticks (-before +after):\n%s", ticks, diff)
				}
				m.crash(false)
			})
		}
	}
}

// TestCaptureAfterLostLog proves that no zero has the time of a stale marker that was sent
// in a tick which the log has lost.
func TestCaptureAfterLostLog(t *testing.T) {
	m := newCrashingProcess(t, Config{})
	m.Stats(input.CaptureStats{CaptureID: []byte("c"), FlowDropped: 5})
	m.tick()
	valued, ended := m.last, int64(0)
	for ended == 0 {
		m.tick()
		for _, p := range m.staged.captures {
			if ended = m.last; !p.End {
				valued, ended = m.last, 0
			}
		}
	}
	m.pass(7 * time.Second)
	m.tickNow()
	m.Stats(input.CaptureStats{CaptureID: []byte("c"), FlowDropped: 9})
	m.Sync()
	m.crash(false)
	m.last = valued
	m.pass(2 * time.Second)
	m.begin()
	defer m.crash(false)
	m.sample()
	for _, p := range m.staged.captures {
		if p.Begin != 0 && p.Begin <= ended {
			t.Errorf("a zero at %d, the marker is at %d", p.Begin, ended)
		}
	}
}
