// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"flag"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/internal/rows"
)

var update = flag.Bool("update", false, "write the golden files again")

// smallPage is a page that a person can check: both directions, IPv6, absent
// labels, no RTT, captures, one own metric of each plain type. all is what is on it.
func smallPage() (s *rows.Source, own prometheus.Gatherer, all map[string]float64) {
	s = &rows.Source{
		Rows: []aggregator.Row{
			{
				Layout:  rows.DefaultLayout(),
				Values:  rows.Values("10.0.0.1", "49152", "4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab", "TCP", "10.0.0.2", "443"),
				Bytes:   [2]uint64{610875, 2937996},
				Packets: [2]uint64{812, 2011},
				Gauges:  aggregator.Gauges{184000},
			},
			{
				Layout: rows.DefaultLayout(),
				Values: rows.Values("2001:db8::1", "5353", "", "UDP", "2001:db8::fb", "5353"),
				Bytes:  [2]uint64{242, 0}, Packets: [2]uint64{1, 0},
			},
		},
		Interfaces: []aggregator.InterfaceRow{
			{
				InterfaceLabels: aggregator.InterfaceLabels{
					Name: "eth0", Host: "skyhost", Type: "device", IPv4: "192.0.2.2/24", IPv6: "fd00::2/64,fe80::1/64", NodeTID: "c0045003",
				},
				Values: [aggregator.InterfaceMetrics]uint64{1584436971, 9589748, 109573, 81485, 5, 6, 7, 8, 9, 10, 11},
			},
			{InterfaceLabels: aggregator.InterfaceLabels{Name: "an \"odd\" one", Host: "skyhost", Type: "veth"}},
		},
		Captures: []aggregator.CaptureRow{
			{CaptureID: "7f0c", FlowCount: 3, FlowsKnown: 2, PacketsReceived: 9007199254740991, HasPackets: true},
			{CaptureID: "a \"quoted\" one", FlowCount: 4, FlowDropped: 5, KernelFlowDropped: 6},
		},
	}
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "skybridge_updates_received_total", Help: "Flow records decoded."})
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "skybridge_series", Help: "Live series."})
	reg.MustRegister(c, g)
	c.Add(12)
	g.Set(9)
	all = want(s)
	all[`{__name__="skybridge_updates_received_total"}`] = 12
	all[`{__name__="skybridge_series"}`] = 9
	return s, reg, all
}

// TestGoldenPages holds every line of a page in either format: names never change, so
// OpenMetrics calls counters without _total unknown.
func TestGoldenPages(t *testing.T) {
	for _, tc := range []struct{ file, accept string }{
		{"page.txt", acceptText},
		{"page.openmetrics.txt", acceptOpenMetrics},
	} {
		t.Run(tc.file, func(t *testing.T) {
			s, own, all := smallPage()
			r := newRig(t, func(o *Options) { o.Source, o.Gatherer = s, own })
			w := r.get("/metrics", "Accept", tc.accept)
			check(t, w, all)

			path := filepath.Join("testdata", tc.file)
			if *update {
				if err := os.WriteFile(path, w.Body.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden), w.Body.String()); diff != "" {
				t.Errorf("page (-golden +got):\n%s", diff)
			}
		})
	}
}

func TestEmptyPages(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Gatherer = prometheus.NewRegistry() })
	if got := r.get("/metrics", "Accept", acceptText).Body.String(); got != "" {
		t.Errorf("text: %q", got)
	}
	if got := r.get("/metrics", "Accept", acceptOpenMetrics).Body.String(); got != "# EOF\n" {
		t.Errorf("OpenMetrics: %q", got)
	}
}

// hostileRows have a value wherever one can come from elsewhere: in the first label, the
// last and both, and in what is written in pieces.
func hostileRows(v string) *rows.Source {
	layout := &label.Layout{Names: []string{"a", "direction", "z"}, Direction: 1}
	return &rows.Source{
		Rows: []aggregator.Row{
			{Layout: layout, Values: rows.Values(v, ""), Bytes: [2]uint64{1, 2}, Gauges: aggregator.Gauges{5}},
			{Layout: layout, Values: rows.Values("", v), Bytes: [2]uint64{3, 4}},
			{Layout: layout, Values: rows.Values(v, v), Packets: [2]uint64{5, 6}},
		},
		Captures: []aggregator.CaptureRow{{CaptureID: v, FlowCount: 7}},
	}
}

// replaceInvalid puts one U+FFFD for each byte that is not UTF-8, as ranging over
// a string does.
func replaceInvalid(s string) string {
	return string([]rune(s))
}

// Rows of any layout and size, several layouts on one page, are read back
// exactly, in both formats, plain and gzipped.
func TestPageEqualsRows(t *testing.T) {
	names := []string{"a", "direction", "initiator_ip", "node_tid", "protocol", "z_9"}
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.OneOf(
			rapid.StringMatching(`[0-9a-f.:]{0,20}`),
			rapid.StringOf(rapid.RuneFrom([]rune("\"\\\n{}=,# EOF_<é日🜛\r\t"))),
			rapid.SampledFrom([]string{strings.Repeat("v", 3000), strings.Repeat("\n", 3000)}),
		)
		number := rapid.Uint64Range(0, 1<<53)
		s := &rows.Source{}
		known := make(map[string]float64)
		for range rapid.IntRange(1, 3).Draw(rt, "layouts") {
			layout := &label.Layout{
				Names: rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, -1, rapid.ID[string]).Draw(rt, "names"),
			}
			slices.Sort(layout.Names)
			layout.Direction = slices.Index(layout.Names, "direction")
			for range rapid.IntRange(0, 12).Draw(rt, "rows") {
				var v []string
				for i := range layout.Names {
					if i != layout.Direction {
						v = append(v, value.Draw(rt, "value"))
					}
				}
				row := aggregator.Row{
					Layout:  layout,
					Bytes:   [2]uint64{number.Draw(rt, "n"), number.Draw(rt, "n")},
					Packets: [2]uint64{number.Draw(rt, "n"), number.Draw(rt, "n")},
					Gauges:  aggregator.Gauges{rapid.SampledFrom([]uint64{0, 1, math.MaxInt32}).Draw(rt, "rtt")},
				}
				if len(v) > 0 {
					row.Values = rows.Values(v...)
				}
				one := want(&rows.Source{Rows: []aggregator.Row{row}})
				if !overlap(known, one) {
					s.Rows = append(s.Rows, row)
					maps.Copy(known, one)
				}
			}
		}
		r := newRig(t, func(o *Options) { o.Source = s })
		accept := rapid.SampledFrom([]string{acceptText, acceptOpenMetrics}).Draw(rt, "accept")
		encoding := rapid.SampledFrom([]string{"identity", "gzip"}).Draw(rt, "encoding")
		check(t, r.get("/metrics?collect[]=connections", "Accept", accept, "Accept-Encoding", encoding), known)
	})
}

func overlap(a, b map[string]float64) bool {
	for k := range b {
		if _, ok := a[k]; ok {
			return true
		}
	}
	return false
}

// A row whose values are fewer than its names is a defect elsewhere; the page
// stays readable.
func TestRowWithMissingValues(t *testing.T) {
	for _, v := range []string{"", "x", "x\xffy"} {
		s := &rows.Source{Rows: []aggregator.Row{{Layout: rows.DefaultLayout(), Values: v}}}
		w := newRig(t, func(o *Options) { o.Source = s }).get("/metrics")
		if _, err := parse(w.Body.Bytes(), w.Header().Get("Content-Type")); err != nil {
			t.Errorf("%q: %v", v, err)
		}
	}
}

// FuzzLabelEscape: what Prometheus' parser reads back is the value, in both formats and
// on both paths of the writer (in one go, in pieces): also where it tries to end the
// label, the line or the page, or to be markup. What is not UTF-8 costs its own bytes,
// not the page.
func FuzzLabelEscape(f *testing.F) {
	for _, v := range []string{
		"10.0.0.1", `a"b\c` + "\n", "\x00", strings.Repeat("\\", 300),
		`"`, `\`, "\n", `\n`, `\\"`, "\"} 1\nevil_total 1\n# EOF\n", "# EOF", "# EOF\n",
		"<script>alert(1)</script>", "{}", ",", "=", `a="b",c="d"`, "\t\r\v\f ", "é日本🜛", "\u2028\uFEFF\uFFFD",
		strings.Repeat(`\`, 999), strings.Repeat("日", 12<<10), strings.Repeat("\"\n", 20<<10),
		"x\x80y", "x\x80", "\xc3", "\xe6\x97", strings.Repeat("\x80", 40<<10), strings.Repeat("ab\xe6\x97", 20<<10),
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if v = strings.ReplaceAll(v, "\xff", ""); v == "" { // the separator; rows without values are the same
			return
		}
		s, clean := hostileRows(v), hostileRows(replaceInvalid(v))
		r := newRig(t, func(o *Options) { o.Source = s })
		for _, accept := range []string{acceptText, acceptOpenMetrics} {
			check(t, r.get("/metrics?collect[]=connections&collect[]=interfaces&collect[]=captures", "Accept", accept), want(clean))
		}
	})
}
