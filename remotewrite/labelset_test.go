// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"slices"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestLabelValues proves that sets given as values of prepared names, whichever of
// them are empty and whatever sets lie between them, make the very block that
// Prometheus' own encoder makes of the labels they stand for.
func TestLabelValues(t *testing.T) {
	l := newRig(t, LogConfig{}).log
	l.newCursor()
	at := int64(1_700_000_000_000)
	rapid.Check(t, func(t *rapid.T) {
		at += 15_000
		label := rapid.StringMatching(`[A-C_a-c]{1,2}`)
		names := func(what string, least, most int) []string {
			return slices.Sorted(slices.Values(rapid.SliceOfNDistinct(label, least, most, rapid.ID).Draw(t, what)))
		}
		var external []Label
		for i, name := range names("external", 0, 2) {
			external = append(external, Label{name, fmt.Sprint("external", i)})
		}
		layouts := [][]string{names("names", 1, 6), names("other names", 1, 6)}
		few := rapid.SampledFrom([]string{"", "", "a", "b", "TCP", "10.0.0.1"})
		if rapid.Bool().Draw(t, "many symbols") { // so that references grow longer
			for i := range 140 {
				layouts[0] = append(layouts[0], fmt.Sprintf("d%03d", i))
			}
			few = rapid.StringN(0, 2, 4)
		}
		l.SetExternalLabels(external)
		tick := l.Begin(at)
		var want []plainSample
		for range rapid.IntRange(1, 12).Draw(t, "sets") {
			names := rapid.SampledFrom(layouts).Draw(t, "layout")
			values := rapid.SliceOfN(few, len(names), len(names)).Draw(t, "values")
			own := make([]Label, len(names))
			for i, name := range names {
				own[i] = Label{name, values[i]}
			}
			if rapid.IntRange(0, 3).Draw(t, "way") == 0 {
				tick.Labels(own)
			} else {
				tick.LabelValues(names, values)
			}
			merged := map[string]string{}
			for _, l := range append(slices.Clone(external), own...) {
				if l.Value != "" {
					merged[l.Name] = l.Value
				}
			}
			for _, m := range []*Metric{bytesMetric, rttMetric} {
				tick.Value(m, 0, 1)
				s := plainSample{labels: []Label{{nameLabel, m.Name}}, metric: m, value: 0x3ff0000000000000, at: at}
				for n, v := range merged {
					s.labels = append(s.labels, Label{n, v})
				}
				s.labels = sortedLabels(s.labels)
				want = append(want, s)
			}
		}
		blocks := tick.values.take()
		if err := appendTo(l, tick); err != nil {
			t.Fatal(err)
		}
		if len(blocks) != 1 {
			t.Fatalf("%d blocks", len(blocks))
		}
		got, err := snappy.Decode(nil, blocks[0].data)
		if err != nil {
			t.Fatal(err)
		}
		wantBytes, err := request2(want).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantBytes, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
