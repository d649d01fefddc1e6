// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestCollect(t *testing.T) {
	prefixes := map[string]string{
		"connections": "skydive_network_connection_",
		"interfaces":  "skydive_network_interface_",
		"captures":    "skydive_capture_",
		"self":        "skybridge_",
	}
	for _, tc := range []struct {
		query string
		want  []string // nil: 400
	}{
		{"", []string{"connections", "interfaces", "captures", "self"}},
		{"?", []string{"connections", "interfaces", "captures", "self"}},
		{"?debug=1", []string{"connections", "interfaces", "captures", "self"}},
		{"?collect=self", []string{"connections", "interfaces", "captures", "self"}},
		{"?collect[]=connections", []string{"connections"}},
		{"?collect[]=captures", []string{"captures"}},
		{"?collect%5B%5D=self", []string{"self"}},
		{"?collect[]=self&collect[]=connections", []string{"connections", "self"}},
		{"?collect[]=self&collect[]=self", []string{"self"}},
		{"?collect[]=self&collect[]=captures&collect[]=connections&x=y", []string{"connections", "captures", "self"}},
		{"?collect[]=", nil},
		{"?collect[]=interfaces", []string{"interfaces"}},
		{"?collect[]=interface", nil},
		{"?collect[]=Self", nil},
		{"?collect[]=self&collect[]=<script>", nil},
		{"?collect[]=self,captures", nil},
		{"?collect[]=" + strings.Repeat("x", 10000), nil},
		{"?collect[]=%zz", nil},
		{"?collect[]=self;x", nil},
	} {
		t.Run(tc.query, func(t *testing.T) {
			s, own, _ := smallPage()
			r := newRig(t, func(o *Options) { o.Source, o.Gatherer = s, own })
			target := "/metrics" + strings.NewReplacer("<", "%3C", ">", "%3E").Replace(tc.query)
			w := r.get(target, "Accept", acceptOpenMetrics)
			if tc.want == nil {
				if w.Code != http.StatusBadRequest {
					t.Fatalf("status %d", w.Code)
				}
				if strings.Contains(tc.query, "%zz") || strings.Contains(tc.query, ";") {
					return
				}
				if !strings.Contains(w.Body.String(), "connections, interfaces, captures, self") || w.Body.Len() > 200 {
					t.Errorf("body: %s", w.Body)
				}
				return
			}
			page, err := parse(w.Body.Bytes(), w.Header().Get("Content-Type"))
			if err != nil {
				t.Fatal(err)
			}
			for part, prefix := range prefixes {
				has := strings.Contains(w.Body.String(), "\n"+prefix)
				if has != slices.Contains(tc.want, part) {
					t.Errorf("%s on the page: %t", part, has)
				}
			}
			if len(page.samples) == 0 {
				t.Error("no samples")
			}
		})
	}
}
