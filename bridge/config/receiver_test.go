// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// TestWritePath proves which receivers' URLs are warned of, and that every known
// receiver's is not.
func TestWritePath(t *testing.T) {
	for url, want := range map[string]string{
		"http://host:9090":                                                "remote_write[0].url has no path: it is /api/v1/write of Prometheus",
		"http://host:9090/":                                               "remote_write[0].url has no path: ",
		"https://host/?token=pa55word":                                    "remote_write[0].url has no path: ",
		"http://host:9090/api/v1/write/":                                  "remote_write[0].url has a path that is no known receiver's: ",
		"http://host:9090/api/v1/wirte":                                   "remote_write[0].url has a path that is no known receiver's: ",
		"http://host:9090/metrics":                                        "remote_write[0].url has a path that is no known receiver's: ",
		"http://host:9090/API/v1/write":                                   "remote_write[0].url has a path that is no known receiver's: ",
		"http://host:9090/pa55word":                                       "remote_write[0].url has a path that is no known receiver's: ",
		"http://host:9090/api/v1/write":                                   "",
		"http://host:9090/api/v1/write?token=pa55word":                    "",
		"http://vminsert:8480/insert/42:7/prometheus/api/v1/write":        "",
		"http://proxy/metrics/here/api/v1/write":                          "",
		"http://thanos:19291/api/v1/receive":                              "",
		"http://mimir:9009/api/v1/push":                                   "",
		"https://prometheus-prod.grafana.net/api/prom/push":               "",
		"https://aps-workspaces.example/workspaces/w/api/v1/remote_write": "",
		"http://influx:8086/api/v1/prom/write?db=x":                       "",
		"http://m3:7201/api/v1/prom/remote/write":                         "",
		"http://greptime:4000/v1/prometheus/write?db=public":              "",
		"https://metric-api.example/prometheus/v1/write":                  "",
		"https://sysdig.example/prometheus/remote/write":                  "",
	} {
		_, warnings, err := parse("f", []byte(minimal+"remote_write:\n- url: "+url+"\n"))
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		got := strings.Join(texts(warnings), "\n")
		if (want == "") != (got == "") || !strings.HasPrefix(got, "f:3: "+want) && want != "" || strings.Contains(got, "pa55word") {
			t.Errorf("%s: warned %q, want %q", url, got, want)
		}
	}
}

// TestOwnListener proves that an endpoint that is the bridge itself is an error, and
// that no other is.
func TestOwnListener(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	outside := "" // an address of this machine that is not the loopback's
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p := netip.MustParsePrefix(a.String()); !p.Addr().IsLoopback() && p.Addr().Is4() {
			outside = p.Addr().String()
		}
	}
	if outside == "" {
		outside = "127.9.9.9" // is everywhere's, too
	}
	for _, c := range []struct {
		url, listen string // the listener of the file
		flag        string // those of the process
		own         bool
	}{
		{"http://localhost:9100/api/v1/write", "", "", true}, // by default :9100
		{"http://127.0.0.1:9100", "", "", true},
		{"http://0.0.0.0:9100/", "", "", true},
		{"http://[::1]:9100/", "", "", true},
		{"http://[::ffff:127.0.0.1]:9100/", "", "", true},
		{"http://" + name + ":9100/", "", "", true},
		{"http://" + outside + ":9100/", "", "", true},
		{"http://LOCALHOST/", ":80", "", true},
		{"https://localhost/", "localhost:443", "", true},
		{"http://localhost:9100/", "127.0.0.1:9100", "", true},
		{"http://0.0.0.0:9100/", "127.0.0.1:9100", "", true},
		{"http://localhost:9200/", "", ":9200", true},
		{"http://localhost:9200/", ":9300", "[::]:9200", true},

		{"http://localhost:9400/", "", ":9200 127.0.0.1:9400", true}, // two flags
		{"unix:///run/x.sock:/api/v1/write", "unix:/run/x.sock", "", true},

		{"unix:///run/y.sock:/api/v1/write", "unix:///run/x.sock", "", false},
		{"unix:///run/x.sock:/api/v1/write", "", "", false},
		{"http://localhost:9090/", "", "", false},
		{"http://localhost:9100/", "", ":9200", false},
		{"http://localhost:9100/", ":9200", "", false},
		{"http://localhost:9100/", "", ":0", false}, // systemd's socket
		{"http://127.0.0.2:9100/", "127.0.0.1:9100", "", false},
		{"http://localhost:9100/", "192.0.2.1:9100", "", false},
		{"http://0.0.0.0:9100/", "192.0.2.1:9100", "", false},
		{"http://192.0.2.1:9100/", "", "", false},
		{"http://" + name + ":9100/", "127.0.0.1:9100", "", false},
		{"http://prometheus:9100/", "", "", false},
		{"http://localhost:9100/\n  proxy_url: http://proxy:3128", "", "", false},
	} {
		web := ""
		if c.listen != "" {
			web = fmt.Sprintf("web: {listen_address: '%s'}\n", c.listen)
		}
		path := write(t, t.TempDir(), "f", minimal+web+"remote_write:\n- url: "+c.url+"\n")
		_, _, err := Load(path, Process{Listen: strings.Fields(c.flag)})
		if own := err != nil && strings.Contains(err.Error(), "remote_write[0].url is the address that skybridge itself listens on"); own != c.own || err != nil && !own {
			t.Errorf("%s with %q in the file and the flag %q: %v", c.url, c.listen, c.flag, err)
		}
	}
}

// TestVariables proves that what looks like an environment variable is noticed: in a
// URL it is an error, elsewhere a warning, and what only has a dollar is not reported.
func TestVariables(t *testing.T) {
	const inURL = " contains a variable, and environment variables are not expanded: write the value itself; a $ that is meant is written %24"
	const elsewhere = " contains a variable, and environment variables are not expanded: it is taken as it is"
	receiver := func(url string) string { return minimal + "remote_write:\n- url: " + url + "\n" }
	for yaml, want := range map[string]string{
		receiver("http://$PROMETHEUS:9090/api/v1/write"):   "f:3: remote_write[0].url" + inURL,
		receiver("http://${PROMETHEUS}:9090/api/v1/write"): "f:3: remote_write[0].url" + inURL,
		receiver("http://h:$PORT/api/v1/write"):            "f:3: remote_write[0].url" + inURL,
		receiver("http://h:9090/$tenant/api/v1/write"):     "f:3: remote_write[0].url" + inURL,
		receiver("$URL"): "f:3: remote_write[0].url" + inURL,
		receiver("http://h:9090/%24x/api/v1/write"):                                             "",
		"skydive: {analyzers: ['ws://${ANALYZER}:8082']}\n":                                     "f:1: skydive.analyzers[0]" + inURL,
		"skydive: {analyzers: ['$ANALYZER:8082']}\n":                                            "f:1: skydive.analyzers[0]" + inURL,
		stanza("oauth2: {client_id: i, client_secret: s, token_url: 'http://$IDP/t'}"):          "f:4: remote_write[0].oauth2.token_url" + inURL,
		stanza("basic_auth: {username: u, password: '${PASSWORD}'}"):                            "f:4: remote_write[0].basic_auth.password" + elsewhere,
		stanza("authorization: {credentials: $TOKEN}"):                                          "f:4: remote_write[0].authorization.credentials" + elsewhere,
		stanza("headers: {X-Scope-OrgID: $TENANT}"):                                             "f:4: remote_write[0].headers.X-Scope-OrgID" + elsewhere,
		stanza("proxy_url: http://$PROXY:3128"):                                                 "f:4: remote_write[0].proxy_url is not a valid URL: write http://host:port, https:// or socks5://",
		under("skydive", "basic_auth: {username: u, password: $PASSWORD}"):                      "f:3: skydive.basic_auth.password" + elsewhere,
		under("skydive", "basic_auth: {username: u, password: pa$SWORD$}"):                      "",
		under("global", "external_labels: {site: $SITE}"):                                       "f:3: global.external_labels.site has the variable SITE, which is not set or empty: it is replaced by nothing",
		under("global", "external_labels: {site: '${SITE', cost: '$${5'}"):                      "f:3: global.external_labels.site has ${ without }, which is left out: write ${NAME}, or $$ for a dollar",
		stanza("write_relabel_configs: [{regex: (.*)$, replacement: '${1}', target_label: a}]"): "",
	} {
		_, warnings, err := parse("f", []byte(yaml))
		got := strings.Join(texts(warnings), "\n")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", yaml, got, want)
		}
	}
}
