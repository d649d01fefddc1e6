// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import (
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/internal/rows"
)

// TestLargestRowFits proves that the lines of a connection with every label, each as
// long as it can be and of nothing but quotes, fit the buffer.
func TestLargestRowFits(t *testing.T) {
	names := slices.Sorted(slices.Values(label.All()))
	row := aggregator.Row{
		Layout: &label.Layout{Names: names, Direction: slices.Index(names, "direction")},
		Values: strings.Repeat(strings.Repeat(`"`, label.MaxValueBytes)+"\xff", len(names)-1),
	}
	for _, f := range aggregator.ConnectionFamilies() {
		p := newPage(t.Context(), io.Discard, true)
		p.family(f)
		for range 10 {
			p.connection(&row, &[2]uint64{math.MaxUint64, math.MaxUint64}, true)
		}
		if cap(p.buf) != pageBytes {
			t.Errorf("%s: the buffer grew to %d bytes", f.Name, cap(p.buf))
		}
	}
}

// No series costs an allocation.
func TestNoAllocationsPerSeries(t *testing.T) {
	s := rows.Many(1000)
	p := newPage(t.Context(), io.Discard, true)
	p.connections(s)
	// Two a family: the cursor, which a Source may keep while it walks.
	if n := testing.AllocsPerRun(20, func() { p.connections(s) }); n > 6 {
		t.Errorf("%v allocations for 5,000 series", n)
	}
}
