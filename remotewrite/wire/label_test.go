// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestLabelSet proves that sets given as labels or as names and values, whichever of
// them are empty and in whatever order, make the very block that Prometheus' own encoder
// makes of the labels they stand for.
func TestLabelSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
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
		var b Builder
		var set LabelSet
		var want []plainSample
		for range rapid.IntRange(1, 12).Draw(t, "sets") {
			names := rapid.SampledFrom(layouts).Draw(t, "layout")
			values := rapid.SliceOfN(few, len(names), len(names)).Draw(t, "values")
			own := make([]Label, len(names))
			for i, name := range names {
				own[i] = Label{name, values[i]}
			}
			if rapid.IntRange(0, 3).Draw(t, "way") == 0 {
				set.Set(own, external)
			} else {
				set.SetValues(names, values, external)
			}
			merged := map[string]string{}
			for _, l := range append(slices.Clone(external), own...) {
				if l.Value != "" {
					merged[l.Name] = l.Value
				}
			}
			for _, m := range []*Metric{bytesMetric, rttMetric} {
				s := plainSample{labels: []Label{{NameLabel, m.Name}}, metric: m, Sample: Sample{Value: 1, At: 2}}
				b.Add(&set, m, s.Sample)
				for n, v := range merged {
					s.labels = append(s.labels, Label{n, v})
				}
				s.labels = SortedLabels(s.labels)
				want = append(want, s)
			}
		}
		blocks := b.Take()
		if len(blocks) != 1 {
			t.Fatalf("%d blocks", len(blocks))
		}
		got, err := snappy.Decode(nil, blocks[0].Data)
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

// TestExternalLabels proves how external labels join a series' own.
func TestExternalLabels(t *testing.T) {
	for _, c := range []struct {
		labels, external, want string
		nameAt                 int
	}{
		{"", "", "", 0},
		{"a=1 b=2", "", "a=1 b=2", 0},
		{"b=2", "a=1 c=3", "a=1 b=2 c=3", 0},
		{"b=2", "A=1", "A=1 b=2", 1},
		{"a=own", "a=external", "a=own", 0},
		{"a= b=2", "a=external", "a=external b=2", 0},
		{"b=", "", "", 0},
	} {
		t.Run(fmt.Sprintf("%s and %s", c.labels, c.external), func(t *testing.T) {
			parse := func(s string) (out []Label) {
				for pair := range strings.FieldsSeq(s) {
					name, value, _ := strings.Cut(pair, "=")
					out = append(out, Label{Name: name, Value: value})
				}
				return out
			}
			var set LabelSet
			set.Set(parse(c.labels), parse(c.external))
			if diff := cmp.Diff(parse(c.want), append([]Label(nil), set.Labels()...)); diff != "" {
				t.Error(diff)
			}
			if set.nameAt != c.nameAt {
				t.Errorf("name at %d, want %d", set.nameAt, c.nameAt)
			}
		})
	}
}
