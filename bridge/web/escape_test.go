// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/aggregator"
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
		s := &source{
			rows:     []aggregator.Row{{Layout: layout, Values: values(v), Bytes: [2]uint64{1, 2}, Packets: [2]uint64{3, 4}, RTT: 5}},
			captures: []aggregator.CaptureRow{{CaptureID: v, FlowCount: 6}},
		}
		clean := &source{
			rows:     []aggregator.Row{{Layout: layout, Values: values(replaceInvalid(v)), Bytes: [2]uint64{1, 2}, Packets: [2]uint64{3, 4}, RTT: 5}},
			captures: []aggregator.CaptureRow{{CaptureID: replaceInvalid(v), FlowCount: 6}},
		}
		r := newRig(t, func(o *Options) { o.Source = s })
		for _, accept := range []string{acceptText, acceptOpenMetrics} {
			check(t, r.get("/metrics?collect[]=connections&collect[]=interfaces&collect[]=captures", "Accept", accept), want(clean))
		}
	})
}

func TestCutRune(t *testing.T) {
	for _, tc := range []struct {
		s    string
		want int
	}{
		{"", 0}, {"a", 0}, {"é", 0}, {"é"[:1], 1}, {"日"[:2], 2}, {"a日"[:2], 1}, {"🜛"[:3], 3}, {"🜛", 0},
		{"\x80", 0}, {"\x80\x80\x80\x80", 0}, {"\xff", 0},
	} {
		if got := cutRune(tc.s); got != tc.want {
			t.Errorf("cutRune(%q) = %d, want %d", tc.s, got, tc.want)
		}
	}
}
