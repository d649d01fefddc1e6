// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/bridge/web/connections"
	"github.com/skydive-project/skybridge/internal/rows"
)

// exampleSource has what the docs show.
func exampleSource() *rows.Source {
	return &rows.Source{Rows: []aggregator.Row{
		{
			Layout: rows.DirectedLayout(), Values: rows.Values("10.0.0.7", "40122", "4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab", "TCP", "10.0.1.20", "5432"),
			Bytes: [2]uint64{300, 1200}, Packets: [2]uint64{3, 4}, Gauges: aggregator.Gauges{456000},
		},
		{
			Layout: rows.DirectedLayout(), Values: rows.Values("other", "other", "other", "UDP", "other", "other"),
			Bytes: [2]uint64{100, 0}, Packets: [2]uint64{1, 0},
		},
	}}
}

func exampleNames() rows.Names {
	return rows.Names{
		Addresses: map[string]string{"10.0.1.20": "database"},
		Nodes:     map[string]label.NodeNames{"4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab": {Name: "br0", Host: "site-1"}},
	}
}

func TestConnections(t *testing.T) {
	at := time.Date(2026, 8, 1, 13, 0, 0, 0, time.UTC)
	r := newRig(t, func(o *Options) { o.Source, o.Names = exampleSource(), exampleNames() })
	r.at(at)
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
	layout := &label.Layout{Names: []string{"target_port"}, Direction: -1}
	r := newRig(t, func(o *Options) {
		o.Source = &rows.Source{Rows: []aggregator.Row{{Layout: layout, Values: rows.Values("443"), Bytes: [2]uint64{7, 0}, Packets: [2]uint64{1, 0}}}}
	})
	var got connections.Page
	if err := json.Unmarshal(r.get("/api/v1/connections").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []connections.Connection{{Labels: map[string]string{"target_port": "443"}, Rate: []float64{7}, Bytes: []uint64{7}, Packets: []uint64{1}}}
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

// FuzzConnections: whatever the query, the answer is a valid page within its bounds, or
// says in a line what is wrong with the query.
func FuzzConnections(f *testing.F) {
	f.Add("sort=rate&order=asc&filter=10.0+tcp&offset=3&limit=2")
	f.Add("filter=target_port%3d443%20%e2%80%ae&sort=target_ip")
	f.Add("offset=999999999999&limit=500")
	f.Add("limit=&limit=")
	r := newRig(f, func(o *Options) { o.Source, o.Names = rows.Many(100), exampleNames() })
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/api/v1/connections", "/"} {
			request := httptest.NewRequest(http.MethodGet, path, nil)
			request.URL.RawQuery = query
			w := httptest.NewRecorder()
			r.handler.ServeHTTP(w, request)
			switch {
			case w.Code == 400:
				if strings.Count(w.Body.String(), "\n") != 1 || w.Body.Len() > 1000 {
					t.Fatalf("%q", w.Body)
				}
			case w.Code != 200:
				t.Fatalf("status %d", w.Code)
			case path != "/":
				var c connections.Page
				if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil || len(c.Connections) > c.Limit || c.Limit > 500 || c.Matched > c.Total || c.Total != 100 {
					t.Fatalf("%v: %+v", err, c)
				}
			}
		}
	})
}
