// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"strings"
	"testing"
)

// TestURL proves what of a URL is shown.
func TestURL(t *testing.T) {
	for raw, want := range map[string]string{
		"http://host:9090/api/v1/write":                 "http://host:9090/api/v1/write",
		"http://[::1]:9090/api/v1/write?":               "http://[::1]:9090/api/v1/write",
		"https://user:SECRET@host/push?token=SECRET&x=": "https://host/push?<hidden>",
		"https://host/push?sig=SECRET;v=1":              "https://host/push?<hidden>",
		"https://host/push?token=SECRET%zz":             "https://host/push?<hidden>",
		"https://host/push?SECRET":                      "https://host/push?<hidden>",
		"https://host/push?a=SECRET#SECRET":             "https://host/push?<hidden>",
		"unix:///run/x.sock:/api/v1/write":              "unix:///run/x.sock:/api/v1/write",
		"unix:///run/x.sock:/api/v1/write?token=SECRET": "unix:///run/x.sock:/api/v1/write?<hidden>",
		"unix:SECRET": Mask,
		"unix:///run/user:SECRET@x.sock:/api/v1/write": Mask,
		"http://host/%zz?SECRET":                       Mask,
		"http://user:SEC/RET@host/":                    Mask,
		"http://user:1/SECRET@host/":                   Mask,
		"SECRET":                                       Mask,
	} {
		if got := URL(raw); got != want {
			t.Errorf("URL(%q) = %q, want %q", raw, got, want)
		}
	}
}

// TestOfURL proves that what a URL hides is hidden where a peer repeats it.
func TestOfURL(t *testing.T) {
	for raw, said := range map[string]string{
		"http://user:SECRET@host/":             "user SECRET, Authorization dXNlcjpTRUNSRVQ=",
		"user:SECRET@proxy:3128":               "proxy says SECRET",
		"https://host/push?token=SECRET&x=":    "no page /push?token=SECRET&x=, SECRET is unknown",
		"https://host/push?sig=SECRET;v=1":     "no page /push?sig=SECRET;v=1, SECRET is unknown, SECRET;v=1 as well",
		"https://host/push?token=SECRET%zz":    "no page /push?token=SECRET%zz, SECRET%25zz is unknown",
		"https://host/push?SECRET":             "no page /push?SECRET, SECRET is unknown",
		"https://host/push?t=SEC%20RET":        "SEC RET and SEC+RET are unknown",
		"https://host/push?db=words&u=SECRETS": "words of SECRETS, db=words&u=SECRETS",
	} {
		got := knowing(OfURL(raw)...).Hide(said)
		if strings.Contains(got, "SEC") || strings.Contains(got, "U0VD") || strings.Contains(got, "RET") || strings.Contains(got, "db=") {
			t.Errorf("of %s: %s", raw, got)
		}
	}
}
