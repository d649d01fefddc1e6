// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/common/config"

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

// TestAPI proves that what stands around the feed's path is kept.
func TestAPI(t *testing.T) {
	for feed, want := range map[string]string{
		"ws://a:8082/ws/subscriber/flow":                         "http://a:8082/api/topology",
		"wss://a/ws/subscriber/flow":                             "https://a/api/topology",
		"wss://a/skydive/ws/subscriber/flow?x-auth-token=secret": "https://a/skydive/api/topology?x-auth-token=secret",
		"ws://a/other": "http://a/api/topology",
	} {
		if got := (Target{URL: feed}).API("/api/topology"); got != want {
			t.Errorf("%s: %s, want %s", feed, got, want)
		}
	}
}

// TestSame proves what of an account makes another connection: who is connected and how,
// not by which secret.
func TestSame(t *testing.T) {
	make := func(user, password, server, proxy string) *Account {
		a, err := NewAccount(Settings{HTTP: config.HTTPClientConfig{
			BasicAuth: &config.BasicAuth{Username: user, Password: config.Secret(password)}, TLSConfig: config.TLSConfig{ServerName: server},
			ProxyConfig: config.ProxyConfig{ProxyURL: config.URL{URL: &url.URL{Scheme: "http", Host: proxy}}},
		}}, secrets.New())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	was := make("u", "p", "s", "x")
	for name, c := range map[string]struct {
		now  *Account
		same bool
	}{
		"the same": {make("u", "p", "s", "x"), true}, "password": {make("u", "other", "s", "x"), true},
		"user": {make("other", "p", "s", "x"), false}, "TLS": {make("u", "p", "other", "x"), false}, "proxy": {make("u", "p", "s", "other"), false},
	} {
		if was.Same(c.now) != c.same {
			t.Errorf("%s: %v", name, !c.same)
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
