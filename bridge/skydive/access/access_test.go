// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/secrets"
)

func TestTargets(t *testing.T) {
	for _, c := range []struct{ url, name, dial string }{
		{"ws://h:8082", "ws://h:8082/ws/subscriber/flow", "ws://h:8082/ws/subscriber/flow"},
		{"wss://h/", "wss://h/ws/subscriber/flow", "wss://h/ws/subscriber/flow"},
		{"ws://[::1]:1/x", "ws://[::1]:1/x", "ws://[::1]:1/x"},
		{"ws://h?x-auth-token=s3cret", "ws://h/ws/subscriber/flow", "ws://h/ws/subscriber/flow?x-auth-token=s3cret"},
	} {
		got, err := ParseTarget(c.url)
		if err != nil || got.Name != c.name || got.URL != c.dial {
			t.Errorf("%s: %+v, %v", c.url, got, err)
		}
	}
}

func TestQuotableIsShort(t *testing.T) {
	if got := quotable(strings.NewReader(strings.Repeat("é", 2000)), secrets.New()); len(got) > maxQuoted+len("…") || !strings.HasSuffix(got, "é…") {
		t.Errorf("%q", got)
	}
	// The secret that the library cut off leaves no beginning behind.
	s := secrets.New()
	s.Add(secrets.Secret{Text: "s3cret"})
	body := strings.Repeat("s3cret", 166) + strings.Repeat(".", 1024-166*6-3) + "s3c"
	if got := quotable(strings.NewReader(body), s); strings.Contains(got, "s3c") {
		t.Errorf("%q", got)
	}
	cut := strings.Repeat(" ", 1021) + "s3cret"
	if got := quotable(strings.NewReader(cut), s); got != "" {
		t.Errorf("%q", got)
	}
}
