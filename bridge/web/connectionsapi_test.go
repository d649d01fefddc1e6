// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
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
)

// directed is the layout of the default labels, with direction.
func directed() *aggregator.Layout {
	l := defaultLayout()
	l.Direction = slices.Index(l.Names, "direction")
	return l
}

// exampleSource has what the docs show.
func exampleSource() *source {
	return &source{rows: []aggregator.Row{
		{
			Layout: directed(), Values: values("10.0.0.7", "40122", "4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab", "TCP", "10.0.1.20", "5432"),
			Bytes: [2]uint64{300, 1200}, Packets: [2]uint64{3, 4}, RTT: 456000,
		},
		{
			Layout: directed(), Values: values("other", "other", "other", "UDP", "other", "other"),
			Bytes: [2]uint64{100, 0}, Packets: [2]uint64{1, 0},
		},
	}}
}

func exampleNames() book {
	return book{
		map[string]string{"10.0.1.20": "database"},
		map[string]aggregator.NodeNames{"4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab": {Name: "br0", Host: "site-1"}},
	}
}

func TestConnections(t *testing.T) {
	at := time.Date(2026, 8, 1, 13, 0, 0, 0, time.UTC)
	r := newRig(t, func(o *Options) { o.Source, o.Names = exampleSource(), exampleNames() })
	r.list.now = func() time.Time { return at }
	r.history.observe(at.Add(-15 * time.Second))
	r.history.observe(at)
	w := r.get("/api/v1/connections?limit=2")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
	inDocs(t, w.Body.Bytes())
	packed := r.get("/api/v1/connections?limit=2", "Accept-Encoding", "gzip")
	if packed.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("not compressed: %v", packed.Header())
	}
	if got := string(body(t, packed)); got != w.Body.String() {
		t.Errorf("compressed, it says something else:\n%s", got)
	}
}

// TestConnectionsWithoutDirection proves that a sum over directions is one number.
func TestConnectionsWithoutDirection(t *testing.T) {
	layout := &aggregator.Layout{Names: []string{"target_port"}, Direction: -1}
	r := newRig(t, func(o *Options) {
		o.Source = &source{rows: []aggregator.Row{{Layout: layout, Values: values("443"), Bytes: [2]uint64{7, 0}, Packets: [2]uint64{1, 0}}}}
	})
	var got Connections
	if err := json.Unmarshal(r.get("/api/v1/connections").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []Connection{{Labels: map[string]string{"target_port": "443"}, Rate: []float64{7}, Bytes: []uint64{7}, Packets: []uint64{1}}}
	if diff := gocmp.Diff(want, got.Connections); diff != "" || !slices.Equal(got.Rate, []float64{7}) {
		t.Errorf("rate %v, connections (-want +got)\n%s", got.Rate, diff)
	}
}

func TestBadConnectionQueries(t *testing.T) {
	r := newRig(t, nil)
	for _, tc := range []struct{ query, want string }{
		{"sort=speed", `unknown sort "speed": valid are rate, bytes, packets, rtt, initiator_ip,`},
		{"sort=", `unknown sort ""`},
		{"sort=direction", `unknown sort "direction"`},
		{"sort=" + strings.Repeat("x", 5000), "…"},
		{"order=up", `unknown order "up": valid are asc, desc`},
		{"limit=0", `bad limit "0": a number from 1 to 500`},
		{"limit=501", "bad limit"},
		{"limit=many", "bad limit"},
		{"limit=99999999999999999999", "bad limit"},
		{"offset=-1", `bad offset "-1": a number from 0`},
		{"offset=", "bad offset"},
		{"filter=" + strings.Repeat("x", 257), "filter has 257 bytes: at most 256"},
		{"filter=a+b+c+d+e+f+g+h+i", "filter has 9 words: at most 8"},
		{"filter=x+" + strings.Repeat("x", 65), "filter has a word of 65 bytes: at most 64"},
		{"filter=%ff", "filter is no valid UTF-8"},
		{"limit=1&limit=2", "limit is given 2 times: give it once"},
		{"lmit=1", `unknown parameter "lmit": valid are sort, order, filter, offset, limit`},
		{"limit=%zz", "bad query"},
		{"limit=1;offset=2", "bad query"},
	} {
		w := r.get("/api/v1/connections?" + tc.query)
		if w.Code != 400 || !strings.Contains(w.Body.String(), tc.want) || w.Body.Len() > 600 ||
			!strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: status %d, %v: %s", tc.query, w.Code, w.Header(), w.Body)
		}
		if page := r.get("/?" + tc.query); tc.query != "lmit=1" && page.Code != 400 || tc.query == "lmit=1" && page.Code != 200 {
			t.Errorf("the page with %s: status %d", tc.query, page.Code)
		}
	}
}

// plainModel is what a list should be, by the plainest means.
func plainModel(rows []aggregator.TrafficRow, q url.Values, names book) (page []string, matched int) {
	labelsOf := func(row aggregator.TrafficRow) map[string]string {
		all := map[string]string{}
		parts := strings.Split(row.Values, "\xff")
		for i, name := range slices.DeleteFunc(slices.Clone(row.Layout.Names), func(s string) bool { return s == "direction" }) {
			all[name] = parts[i]
		}
		return all
	}
	var kept []aggregator.TrafficRow
	for _, row := range rows {
		labels := labelsOf(row)
		node := names.nodes[labels["node_tid"]]
		texts := append(slices.Collect(maps.Values(labels)), names.addresses[labels["initiator_ip"]], names.addresses[labels["target_ip"]], node.Name, node.Host)
		all := true
		for word := range strings.FieldsSeq(strings.ToLower(q.Get("filter"))) {
			ok := slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), word) })
			if label, value, cut := strings.Cut(word, "="); cut && slices.Contains(aggregator.AllLabels(), label) {
				ok = strings.ToLower(labels[label]) == value
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
		"rtt":     func(r aggregator.TrafficRow) float64 { return float64(r.RTT) },
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
	layout := directed()
	names := book{map[string]string{"10.0.0.1": "Web-1", "10.0.0.10": "db"}, map[string]aggregator.NodeNames{"n2": {Name: "br0", Host: "Rack"}}}
	rapid.Check(t, func(t *rapid.T) {
		s := &source{}
		n := rapid.IntRange(0, 60).Draw(t, "rows")
		for i := range n {
			small := rapid.Uint64Range(0, 5) // many equals
			s.rows = append(s.rows, aggregator.Row{
				Layout: layout,
				Values: values(
					rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.10", "9.255.0.1", ""}).Draw(t, "from"), strconv.Itoa(i),
					rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node"), rapid.SampledFrom([]string{"TCP", "UDP"}).Draw(t, "protocol"),
					rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.10"}).Draw(t, "to"), rapid.SampledFrom([]string{"80", "443"}).Draw(t, "port")),
				Bytes:   [2]uint64{small.Draw(t, "ab"), small.Draw(t, "ba")},
				Packets: [2]uint64{small.Draw(t, "abp"), small.Draw(t, "bap")}, RTT: small.Draw(t, "rtt"),
			})
		}
		rows := make([]aggregator.TrafficRow, n+1)
		rows = rows[:s.ScrapeTraffic(new(aggregator.ScrapeCursor), rows)]
		r := newList(s, names, time.Now)
		server := &Server{list: r, history: newHistory(s), opts: Options{Names: names}}
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
			parsed, err := parseListQuery(q.Encode(), true)
			if err != nil {
				t.Fatal(err)
			}
			got, err := server.connections(t.Context(), parsed)
			if err != nil {
				t.Fatal(err)
			}
			want, matched := plainModel(rows, q, names)
			var page []string
			for _, c := range got.Connections {
				var parts []string
				for _, label := range got.Labels {
					parts = append(parts, c.Labels[label])
				}
				page = append(page, values(parts...))
			}
			if diff := gocmp.Diff(want, page); diff != "" || got.Matched != matched || got.Total != n {
				t.Fatalf("%s: %d of %d, want %d of %d (-want +got)\n%s", q.Encode(), got.Matched, got.Total, matched, n, diff)
			}
		}
	})
}

// FuzzConnections: whatever the query, the answer is a valid page within its bounds, or
// says in a line what is wrong with the query.
func FuzzConnections(f *testing.F) {
	f.Add("sort=rate&order=asc&filter=10.0+tcp&offset=3&limit=2")
	f.Add("filter=target_port%3d443%20%e2%80%ae&sort=target_ip")
	f.Add("offset=999999999999&limit=500")
	f.Add("limit=&limit=")
	r := newRig(f, func(o *Options) { o.Source, o.Names = many(100), exampleNames() })
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/api/v1/connections", "/"} {
			request := httptest.NewRequest(http.MethodGet, path, nil)
			request.URL.RawQuery = query
			w := httptest.NewRecorder()
			r.Handler().ServeHTTP(w, request)
			switch {
			case w.Code == 400:
				if strings.Count(w.Body.String(), "\n") != 1 || w.Body.Len() > 1000 {
					t.Fatalf("%q", w.Body)
				}
			case w.Code != 200:
				t.Fatalf("status %d", w.Code)
			case path != "/":
				var c Connections
				if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil || len(c.Connections) > c.Limit || c.Limit > maxLimit || c.Matched > c.Total || c.Total != 100 {
					t.Fatalf("%v: %+v", err, c)
				}
			}
		}
	})
}
