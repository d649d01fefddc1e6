// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/internal/rows"
)

// FuzzLabelEscape: what Prometheus' parser reads back is the value, in both
// formats and on both paths of the writer (in one go, in pieces).
func FuzzLabelEscape(f *testing.F) {
	for _, v := range []string{"10.0.0.1", `a"b\c` + "\n", "# EOF", "é日🜛", "x\x80", "\x00", `\`, strings.Repeat("\\", 300)} {
		f.Add(v)
	}
	layout := &aggregator.Layout{Names: []string{"direction", "v"}}
	f.Fuzz(func(t *testing.T, v string) {
		v = strings.ReplaceAll(v, "\xff", "") // the separator
		s := &rows.Source{
			Rows:     []aggregator.Row{{Layout: layout, Values: rows.Values(v), Bytes: [2]uint64{1, 2}, Packets: [2]uint64{3, 4}, Gauges: aggregator.Gauges{5}}},
			Captures: []aggregator.CaptureRow{{CaptureID: v, FlowCount: 6}},
		}
		clean := &rows.Source{
			Rows:     []aggregator.Row{{Layout: layout, Values: rows.Values(replaceInvalid(v)), Bytes: [2]uint64{1, 2}, Packets: [2]uint64{3, 4}, Gauges: aggregator.Gauges{5}}},
			Captures: []aggregator.CaptureRow{{CaptureID: replaceInvalid(v), FlowCount: 6}},
		}
		r := newRig(t, func(o *Options) { o.Source = s })
		for _, accept := range []string{acceptText, acceptOpenMetrics} {
			check(t, r.get("/metrics?collect[]=connections&collect[]=interfaces&collect[]=captures", "Accept", accept), want(clean))
		}
	})
}
