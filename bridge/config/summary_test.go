// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import "testing"

// TestSummaryGolden proves what check-config shows.
func TestSummaryGolden(t *testing.T) {
	for _, name := range []string{"example", "full", "prom_sky_con", "prom_sky_con_site"} {
		c, _, err := Parse("testdata/"+name+".yml", sample(t, name+".yml"))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".summary.golden", Summary(c))
	}
}

// TestSummaryOfOddValues proves the lines that no sample has.
func TestSummaryOfOddValues(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"classes without networks", under("aggregation", "exclude_classes: [ingress]"), "excluded classes: ingress; cluster networks: none"},
		{"many networks", under("aggregation", "exclude_classes: [ingress]\n  cluster_networks: [1.0.0.0/8, 2.0.0.0/8, 3.0.0.0/8, 4.0.0.0/8, 5.0.0.0/8]"),
			"cluster networks: 1.0.0.0/8, 2.0.0.0/8, 3.0.0.0/8, and 2 more\n"},
		{"oauth2", stanza("oauth2: {client_id: i, client_secret: pa55word, token_url: http://t}"), "  oauth2, timeout 30s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := Parse("f", []byte(c.yaml))
			if err != nil {
				t.Fatal(err)
			}
			if s := Summary(got); !contains(s, c.want) || contains(s, "pa55word") {
				t.Errorf("got\n%s", s)
			}
		})
	}
}
