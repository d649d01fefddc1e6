// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
		a, err := NewAddresses([]string{c.url}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := a.Targets(); len(got) != 1 || got[0].Name != c.name || got[0].URL != c.dial || got[0].Host != "" {
			t.Errorf("%s: %+v", c.url, got)
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
	as := func(user, password, server, proxy string) *Account {
		a, err := NewAccount(Settings{HTTP: config.HTTPClientConfig{
			BasicAuth: &config.BasicAuth{Username: user, Password: config.Secret(password)}, TLSConfig: config.TLSConfig{ServerName: server},
			ProxyConfig: config.ProxyConfig{ProxyURL: config.URL{URL: &url.URL{Scheme: "http", Host: proxy}}},
		}}, secrets.New())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	was := as("u", "p", "s", "x")
	for name, c := range map[string]struct {
		now  *Account
		same bool
	}{
		"the same": {as("u", "p", "s", "x"), true}, "password": {as("u", "other", "s", "x"), true},
		"user": {as("other", "p", "s", "x"), false}, "TLS": {as("u", "p", "other", "x"), false}, "proxy": {as("u", "p", "s", "other"), false},
	} {
		if was.Same(c.now) != c.same {
			t.Errorf("%s: %v", name, !c.same)
		}
	}
}

// TestKeyOfCredentials proves that what keeps a request from being authorized is said with the
// key that it is about.
func TestKeyOfCredentials(t *testing.T) {
	for key, c := range map[string]config.HTTPClientConfig{
		"skydive.oauth2.token_url: no token from http://127.0.0.1:1/token: ": {OAuth2: &config.OAuth2{ClientID: "i", ClientSecret: "s", TokenURL: "http://127.0.0.1:1/token"}},
		"skydive.basic_auth.password_file: ":                                 {BasicAuth: &config.BasicAuth{Username: "u", PasswordFile: "/nowhere"}},
	} {
		account, err := NewAccount(Settings{HTTP: c}, secrets.New())
		if err != nil {
			t.Fatal(err)
		}
		if err := account.Authorize(t.Context(), http.Header{}, Target{}); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%v, want %s", err, key)
		}
	}
}

// TestQuotable proves that a secret that the WebSocket library cut off leaves no beginning
// behind.
func TestQuotable(t *testing.T) {
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

// records is a name server with fixed answers.
type records map[string][]string

func (r records) LookupNetIP(_ context.Context, _, host string) (found []netip.Addr, err error) {
	for _, text := range r[host] {
		found = append(found, netip.MustParseAddr(text))
	}
	if len(found) == 0 {
		err = errors.New("no such host")
	}
	return found, err
}

func (r records) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	var found []*net.SRV
	for i, host := range r[name] {
		found = append(found, &net.SRV{Target: host + ".", Port: uint16(8082 + i)})
	}
	return "", found, nil
}

// TestNames proves what names stand for, and that one which cannot be looked up keeps it.
func TestNames(t *testing.T) {
	zone := records{"a": {"::ffff:10.0.0.2", "fd00::1", "10.0.0.1"}, "b": {"10.0.0.3"}, "_flows": {"a", "b"}}
	for from, want := range map[string][]Target{
		"dns+ws://a:8082": {
			{Name: "ws://10.0.0.1:8082/ws/subscriber/flow", Host: "a"}, {Name: "ws://10.0.0.2:8082/ws/subscriber/flow", Host: "a"},
			{Name: "ws://[fd00::1]:8082/ws/subscriber/flow", Host: "a"},
		},
		"dns+wss://b/x?t=s3cret": {{Name: "wss://10.0.0.3/x", Host: "b"}},
		"dnssrv+ws://_flows": {
			{Name: "ws://10.0.0.1:8082/ws/subscriber/flow", Host: "a"}, {Name: "ws://10.0.0.2:8082/ws/subscriber/flow", Host: "a"},
			{Name: "ws://[fd00::1]:8082/ws/subscriber/flow", Host: "a"}, {Name: "ws://10.0.0.3:8083/ws/subscriber/flow", Host: "b"},
		},
	} {
		a, err := NewAddresses([]string{from, "ws://h"}, zone)
		if err != nil {
			t.Fatal(err)
		}
		if failures := a.LookUp(t.Context()); len(failures) > 0 || !a.Change() {
			t.Fatalf("%s: %+v", from, failures)
		}
		want = append(want, Target{Name: "ws://h/ws/subscriber/flow"})
		got, beyond := a.Targets()
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Target{}, "URL", "From")); diff != "" || beyond != 0 {
			t.Errorf("%s: %d beyond (-want +got):\n%s", from, beyond, diff)
		}
		later, err := NewAddresses([]string{from, "dns+ws://other"}, records{})
		if err != nil {
			t.Fatal(err)
		}
		later.Adopt(a)
		failures := later.LookUp(t.Context())
		if len(failures) != 2 || failures[0].Unknown || !failures[1].Unknown || failures[1].Name != "dns+ws://other/ws/subscriber/flow" || strings.Contains(failures[0].Name, "s3cret") {
			t.Errorf("%s: %+v", from, failures)
		}
		if kept, _ := later.Targets(); len(kept) != len(want)-1 || !later.Has(kept[0]) || later.Has(want[len(want)-1]) {
			t.Errorf("%s: kept %+v", from, kept)
		}
	}
}

// TestMaxAnalyzers proves that a name stands for no more than that.
func TestMaxAnalyzers(t *testing.T) {
	var many []string
	for i := range MaxAnalyzers + 3 {
		many = append(many, fmt.Sprintf("10.0.0.%d", i))
	}
	a, err := NewAddresses([]string{"dns+ws://a:1"}, records{"a": many})
	if err != nil {
		t.Fatal(err)
	}
	a.LookUp(t.Context())
	if targets, beyond := a.Targets(); len(targets) != MaxAnalyzers || beyond != 3 {
		t.Errorf("%d targets, %d beyond", len(targets), beyond)
	}
}

// TestPartOfAName proves that a record without an address leaves the others.
func TestPartOfAName(t *testing.T) {
	a, err := NewAddresses([]string{"dnssrv+ws://_flows"}, records{"a": {"10.0.0.1"}, "_flows": {"a", "gone"}})
	if err != nil {
		t.Fatal(err)
	}
	failures := a.LookUp(t.Context())
	if targets, _ := a.Targets(); len(targets) != 1 || len(failures) != 1 || failures[0].Unknown {
		t.Errorf("%+v, failures %+v", targets, failures)
	}
	// One that cannot be found for a while stays.
	later, err := NewAddresses([]string{"dnssrv+ws://_flows"}, records{"gone": {"10.0.0.2"}, "_flows": {"a", "gone"}})
	if err != nil {
		t.Fatal(err)
	}
	later.Adopt(a)
	later.LookUp(t.Context())
	if targets, _ := later.Targets(); len(targets) != 2 {
		t.Errorf("%+v", targets)
	}
}

// TestProxyOfTheEnvironment proves that it is used where the settings say so.
func TestProxyOfTheEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.example:3128")
	for _, used := range []bool{true, false} {
		a, err := NewAccount(Settings{HTTP: config.HTTPClientConfig{ProxyConfig: config.ProxyConfig{ProxyFromEnvironment: used}}}, secrets.New())
		if err != nil {
			t.Fatal(err)
		}
		request, err := a.Request(t.Context(), http.MethodGet, Target{URL: "ws://a.example:8082" + FlowPath}, "/api", nil)
		if err != nil {
			t.Fatal(err)
		}
		if proxy, err := a.Proxy(request); err != nil || used != (proxy != nil) {
			t.Errorf("%v: %v, error %v", used, proxy, err)
		}
	}
}

// TestOnePrefix proves that a name is looked up in one way.
func TestOnePrefix(t *testing.T) {
	for _, url := range []string{"dns+dnssrv+ws://a", "dnssrv+dns+ws://a", "dns+dns+ws://a", "srv+ws://a"} {
		if _, err := NewAddresses([]string{url}, nil); err == nil {
			t.Errorf("%s is taken", url)
		}
	}
}
