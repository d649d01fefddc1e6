// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestCompare proves that a reload's line says what ended, began and changed, and no
// secret.
func TestCompare(t *testing.T) {
	const before = `
global: {external_labels: {site: a}}
skydive:
  analyzers: [ws://a:1, ws://b:1]
  basic_auth: {username: u, password: pa55word}
aggregation: {max_series: 10}
remote_write:
- {url: 'http://one/w?token=pa55word'}
- {url: http://two/w, name: two}
- {url: http://three/w, name: three, basic_auth: {username: u, password: pa55word}}
`
	for _, test := range []struct{ name, old, new, want string }{
		{"nothing", "", "", "changed=nothing"},
		{"an analyzer for another", "ws://b:1", "ws://c:1", "analyzers_added=ws://c:1/ws/subscriber/flow analyzers_removed=ws://b:1/ws/subscriber/flow"},
		{"the order of analyzers", "ws://a:1, ws://b:1", "ws://b:1, ws://a:1", "changed=nothing"},
		{"an endpoint that is gone", "- {url: 'http://one/w?token=pa55word'}\n", "", "endpoints_removed=http://one/w?<hidden>"},
		{"an endpoint with another secret", "three, basic_auth: {username: u, password: pa55word", "three, basic_auth: {username: u, password: newpa55word", "endpoints_changed=three"},
		{"an endpoint with another URL is the same", "http://two/w", "http://2/w", "endpoints_changed=two"},
		{"an endpoint more", "remote_write:\n", "remote_write:\n- {url: http://four/w}\n", "endpoints_added=http://four/w"},
		{"keys", "{external_labels: {site: a}}", "{external_labels: {site: b, x: y}, push_interval: 30s}", `changed="global.external_labels.site, global.external_labels.x, global.push_interval"`},
		{"a key that is back at its default", "aggregation: {max_series: 10}\n", "", "changed=aggregation.max_series"},
		{"a secret", "basic_auth: {username: u, password: pa55word}\naggregation", "basic_auth: {username: u, password: newpa55word}\naggregation", "changed=skydive.basic_auth.password"},
		{"a stanza", "aggregation:", "topology: {enabled: false}\naggregation:", "changed=topology.enabled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(before, test.old) {
				t.Fatalf("no %s", test.old)
			}
			former, _, err := parse("f", []byte(before))
			if err != nil {
				t.Fatal(err)
			}
			now, _, err := parse("f", []byte(strings.Replace(before, test.old, test.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			var line bytes.Buffer
			slog.New(slog.NewTextHandler(&line, nil)).Info("reloaded", Compare(former, now)...)
			if _, got, _ := strings.Cut(strings.TrimSpace(line.String()), "msg=reloaded "); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
		})
	}
}
