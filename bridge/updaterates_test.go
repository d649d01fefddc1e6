// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"testing"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive"
)

// TestPulse proves that the rate of updates is that of the last minute or so, whatever
// the distance of ticks, and that what it remembers has a bound.
func TestPulse(t *testing.T) {
	for _, interval := range []time.Duration{100 * time.Millisecond, time.Second, 15 * time.Second, 10 * time.Minute} {
		var p updateRates
		now := time.Unix(1_800_000_000, 0)
		a := skydive.AnalyzerStatus{Analyzer: "a"}
		if got := p.rate(now, &a); got != 0 {
			t.Errorf("%s: %v before the first tick", interval, got)
		}
		for tick := range 300 {
			if tick == 150 { // long ago at the end
				a.Updates += 1_000_000
			}
			a.Updates += uint64(20 * interval.Milliseconds() / 100)
			now = now.Add(interval)
			p.observe(now, []skydive.AnalyzerStatus{a})
			if len(p.counts) > maxUpdateCounts {
				t.Fatalf("%s: %d beats", interval, len(p.counts))
			}
		}
		if got := p.rate(now, &a); got != 200 {
			t.Errorf("%s: %v a second, want 200", interval, got)
		}
		if oldest := now.Sub(p.counts[0].at); oldest > max(updateRateSpan, interval)+interval {
			t.Errorf("%s: over %s", interval, oldest)
		}
		other := skydive.AnalyzerStatus{Analyzer: "b", Updates: 5}
		if got := p.rate(now, &other); got != 0 {
			t.Errorf("%s: %v of one that was never seen", interval, got)
		}
		a.Updates = 0 // it was left and came back
		if got := p.rate(now, &a); got != 0 {
			t.Errorf("%s: %v after its counter was reset", interval, got)
		}
	}
}
