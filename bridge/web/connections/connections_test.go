// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"cmp"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/internal/rows"
)

// plainModel is what a list should be, by the plainest means.
func plainModel(all []aggregator.TrafficRow, q url.Values, names rows.Names) (page []string, matched int) {
	labelsOf := func(row aggregator.TrafficRow) map[string]string {
		all := map[string]string{}
		parts := strings.Split(row.Values, "\xff")
		for i, name := range slices.DeleteFunc(slices.Clone(row.Layout.Names), func(s string) bool { return s == "direction" }) {
			all[name] = parts[i]
		}
		return all
	}
	var kept []aggregator.TrafficRow
	for _, row := range all {
		labels := labelsOf(row)
		node := names.Nodes[labels["node_tid"]]
		texts := append(slices.Collect(maps.Values(labels)), names.Addresses[labels["initiator_ip"]], names.Addresses[labels["target_ip"]], node.Name, node.Host)
		all := true
		for word := range strings.FieldsSeq(strings.ToLower(q.Get("filter"))) {
			ok := slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), word) })
			if name, value, cut := strings.Cut(word, "="); cut && slices.Contains(label.All(), name) {
				ok = strings.ToLower(labels[name]) == value
			}
			all = all && ok
		}
		if all {
			kept = append(kept, row)
		}
	}
	key := cmp.Or(q.Get("sort"), "rate")
	of := map[string]func(aggregator.TrafficRow) float64{
		"rate":    func(r aggregator.TrafficRow) float64 { return float64(r.Rate[0]) + float64(r.Rate[1]) },
		"bytes":   func(r aggregator.TrafficRow) float64 { return float64(r.Bytes[0] + r.Bytes[1]) },
		"packets": func(r aggregator.TrafficRow) float64 { return float64(r.Packets[0] + r.Packets[1]) },
		"rtt":     func(r aggregator.TrafficRow) float64 { return float64(r.Gauges[aggregator.RTT]) },
	}[key]
	compare := func(x, y aggregator.TrafficRow) int { return cmp.Compare(of(x), of(y)) }
	descending := q.Get("order") != "asc"
	if of == nil {
		descending = q.Get("order") == "desc"
		compare = func(x, y aggregator.TrafficRow) int {
			a, b := labelsOf(x)[key], labelsOf(y)[key]
			m, errA := strconv.Atoi(a)
			n, errB := strconv.Atoi(b)
			ip, errC := netip.ParseAddr(a)
			jp, errD := netip.ParseAddr(b)
			switch {
			case errA == nil && errB == nil:
				return cmp.Compare(m, n)
			case errC == nil && errD == nil: // all of one family here
				return ip.Compare(jp)
			}
			return cmp.Or(cmp.Compare(min(len(b), 1), min(len(a), 1)), cmp.Compare(a, b))
		}
	}
	slices.SortStableFunc(kept, func(x, y aggregator.TrafficRow) int {
		if descending {
			return compare(y, x)
		}
		return compare(x, y)
	})
	offset, _ := strconv.Atoi(q.Get("offset"))
	limit, _ := strconv.Atoi(cmp.Or(q.Get("limit"), "50"))
	for _, row := range kept[min(offset, len(kept)):min(offset+limit, len(kept))] {
		page = append(page, row.Values)
	}
	return page, len(kept)
}

// TestConnectionsEqualPlainModel proves of any rows and any query that the answer is
// the right page.
func TestConnectionsEqualPlainModel(t *testing.T) {
	layout := rows.DirectedLayout()
	names := rows.Names{Addresses: map[string]string{"10.0.0.1": "Web-1", "10.0.0.10": "db"}, Nodes: map[string]label.NodeNames{"n2": {Name: "br0", Host: "Rack"}}}
	rapid.Check(t, func(t *rapid.T) {
		s := &rows.Source{}
		n := rapid.IntRange(0, 60).Draw(t, "rows")
		for i := range n {
			small := rapid.Uint64Range(0, 5) // many equals
			s.Rows = append(s.Rows, aggregator.Row{
				Layout: layout,
				Values: rows.Values(
					rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.10", "9.255.0.1", ""}).Draw(t, "from"), strconv.Itoa(i),
					rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node"), rapid.SampledFrom([]string{"TCP", "UDP"}).Draw(t, "protocol"),
					rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.10"}).Draw(t, "to"), rapid.SampledFrom([]string{"80", "443"}).Draw(t, "port")),
				Bytes:   [2]uint64{small.Draw(t, "ab"), small.Draw(t, "ba")},
				Packets: [2]uint64{small.Draw(t, "abp"), small.Draw(t, "bap")}, Gauges: aggregator.Gauges{small.Draw(t, "rtt")},
			})
		}
		all := make([]aggregator.TrafficRow, n+1)
		all = all[:s.ScrapeTraffic(new(aggregator.ScrapeCursor), all)]
		view := New(s, names, time.Now)
		for range 3 {
			q := url.Values{}
			set := func(name string, choices ...string) {
				if v := rapid.SampledFrom(choices).Draw(t, name); v != "" {
					q.Set(name, v)
				}
			}
			set("sort", "", "rate", "bytes", "packets", "rtt", "initiator_ip", "initiator_port", "protocol", "target_port", "capture_id")
			set("order", "", "asc", "desc")
			set("filter", "", "10.0.0.1", "tcp", "WEB", "rack 443", "target_port=80", "initiator_ip=", "initiator_port=1 tcp", "nothing", "b=r", "=", "0.10 n2 UDP")
			set("offset", "", "1", "7", "100")
			set("limit", "", "1", "10", "500")
			parsed, err := ParseQuery(q.Encode(), true)
			if err != nil {
				t.Fatal(err)
			}
			got, err := view.Page(t.Context(), parsed)
			if err != nil {
				t.Fatal(err)
			}
			want, matched := plainModel(all, q, names)
			var page []string
			for _, c := range got.Connections {
				var parts []string
				for _, label := range got.Labels {
					parts = append(parts, c.Labels[label])
				}
				page = append(page, rows.Values(parts...))
			}
			if diff := gocmp.Diff(want, page); diff != "" || got.Matched != matched || got.Total != n {
				t.Fatalf("%s: %d of %d, want %d of %d (-want +got)\n%s", q.Encode(), got.Matched, got.Total, matched, n, diff)
			}
		}
	})
}
