// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// TestBoundsAreExact plays a feed to a bridge that bounds its series, with other
// bounds after each reload and each restart, and judges the sums that a real
// Prometheus holds to the byte.
func TestBoundsAreExact(t *testing.T) {
	r := newRig(t, 2, prom.Options{})
	r.dir = t.TempDir()
	bounds := func(n int) {
		r.configure("", "aggregation: {connection_timeout: 1s, top_k_window: 10s, "+[]string{
			"top_k: 40", "max_series: 300", "max_series_per_node: 100, top_k: 100", "max_series: 500, top_k: 10", "top_k: 0",
		}[n%5]+"}\n")
	}
	seed := newSeed(t)
	r.changing(script.Write(script.Options{Seed: seed, Connections: 300, Steps: 20, Analyzers: 2, Now: time.Now().UnixMilli()}), bounds, r.send)
	r.halt()
	want := reference.Overflow(r.Reference.Totals())
	got := judge.Sums(r.raw())
	if diff := judge.Diff(want, reference.Overflow(got)); diff != "" || len(want) == 0 {
		t.Errorf("raw samples differ from what was reported:\n%s", diff)
	}
	overflowed := uint64(0)
	for s, n := range got {
		if s.InitiatorIP == "other" {
			overflowed += n
		}
	}
	if overflowed == 0 {
		t.Error("nothing was in the overflow: nothing was judged")
	}
	if diff := judge.Diff(want, reference.Overflow(r.anchored())); diff != "" {
		t.Errorf("increase(… anchored) differs from what was reported:\n%s", diff)
	}
	r.judgeWrites()
}
