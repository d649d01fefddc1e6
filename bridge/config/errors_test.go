// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestErrorsGolden proves that all errors of a file are found in one pass, with
// line and remedy, and without the secrets that stand in it.
func TestErrorsGolden(t *testing.T) {
	_, warnings, err := parse("errors.yml", sample(t, "errors.yml"))
	if err == nil {
		t.Fatal("no error")
	}
	var all strings.Builder
	for _, e := range err.(*Errors).List {
		if e.Remedy == "" || e.Line == 0 || e.File != "errors.yml" {
			t.Errorf("lacks file, line or remedy: %q", e.Error())
		}
		all.WriteString(e.Error() + "\n")
	}
	all.WriteString(strings.Join(texts(warnings), "\n") + "\n")
	if strings.Contains(all.String(), "pa55word") {
		t.Error("a secret is shown")
	}
	golden(t, "errors.golden", all.String())
}

const variableInBraces = "f:3: ${…} stands in [ ] or { } without quotes, where braces begin a mapping: put it in quotes if it is meant; environment variables are expanded in global.external_labels only"

// TestOneError proves the wording of single errors that need a file of their
// own, because nothing else of it is read.
func TestOneError(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"empty", "", "f: the file is empty: set at least skydive.analyzers"},
		{"comments only", "# nothing\n", "f: the file is empty: set at least skydive.analyzers"},
		{"null", "---\n~\n", "f: the file is empty: set at least skydive.analyzers"},
		{"too large", strings.Repeat("#", MaxFileSize+1), "f: the file is larger than 1024 KiB: check that it is a configuration file"},
		{"a list", "- a\n", "f:1: the file must be a mapping (key: value), it is a list: begin with a key such as skydive:"},
		{"a text", "\nhello\n", "f:2: the file must be a mapping (key: value), it is a string: begin with a key such as skydive:"},
		{"nothing set", "global: {}\n", "f:1: skydive.analyzers is missing: list at least one analyzer, such as [ws://127.0.0.1:8082]"},
		{"no analyzer", "global: {}\nskydive:\n  host_id: x\n", "f:2: skydive.analyzers is missing: list at least one analyzer, such as [ws://127.0.0.1:8082]"},
		{"empty list of analyzers", "skydive:\n  analyzers: []\n", "f:2: skydive.analyzers is empty: list at least one analyzer, such as [ws://127.0.0.1:8082]"},
		{"two prefixes", "skydive:\n  analyzers: ['dns+dnssrv+ws://a']\n", "f:2: skydive.analyzers[0] must begin with ws:// or wss://: write ws://host:8082, or wss:// where the analyzer has TLS"},
		{"two documents", minimal + "---\na: 1\n", "f:3: a second document begins: keep one document in a file, and remove the line ---"},
		{"tab", "skydive:\n\tanalyzers: []\n", "f:2: a tab stands in the indentation: indent with spaces; YAML allows no tabs there"},
		{"tab after spaces", "skydive:\n  \tanalyzers: []\n", "f:2: a tab stands in the indentation: indent with spaces; YAML allows no tabs there"},
		{"colon in a value", "skydive:\n  host_id: a: b\n", "f:2: this is not valid YAML (mapping values are not allowed in this context): check the indentation, and put a value that contains a colon and a space in quotes"},
		{"no colon", "skydive:\n  host_id: a\n  oops\n", "f:3: this is not valid YAML (could not find expected ':'): write a colon and a space between key and value"},
		{"indentation", "skydive:\n  host_id: b\n capture_ids: []\n", "f:3: this is not valid YAML (did not find expected key): check the indentation here and above; keys of one mapping begin in the same column"},
		{"open quote", "skydive:\n  host_id: \"b\n", "f:2: this is not valid YAML (found unexpected end of stream): close the quote or bracket that is open"},
		{"open list", "skydive:\n  analyzers: [a\nweb: {}\n", "f:2: this is not valid YAML (did not find expected ',' or ']'): close the list with ]"},
		{"a secret as alias", "skydive:\n  basic_auth:\n    password: *pa55word\n", "f:3: an alias (*) names an anchor (&) that does not exist: put a value that begins with * in quotes"},
		{"a secret as tag", "skydive:\n  basic_auth:\n    password: !pa55word\n", "f:3: a tag (!) stands before a value: remove the tag, or put a value that begins with ! in quotes"},
		{"a secret with @", "skydive:\n  basic_auth:\n    password: @pa55word\n", "f:3: this is not valid YAML (found character that cannot start any token): put a value that begins with @, ` or % in quotes"},
		{"escape", "skydive:\n  host_id: \"\\pa55word\"\n", `f:2: this is not valid YAML (found unknown escape character): put the value in single quotes, or write \\ for a backslash`},
		{"not UTF-8", "skydive:\n  host_id: b\xff\n", "f:2: the file is not valid UTF-8: save it as UTF-8"},
		{"control character", "skydive:\n\n  host_id: b\x01\n", "f:3: a control character stands in the file: remove it, or save the file as UTF-8"},
		{"key in brackets", "skydive:\n  {{password}}: x\n", "f:2: a key is empty or not a plain word: write key: value; put a value that contains { } [ ] or ? in quotes"},
		{"alias inside itself", "a: &a\n  b: *a\n", "f:1: values are nested more than 50 deep: nest less deeply; an alias (*) must not stand inside what it names"},
		{"merge of a text", "a: &a x\nb:\n  <<: *a\n", "f:1: a merge key (<<) must name a mapping, it names a string: write <<: *name, where &name stands before a mapping"},
		{"section of another kind", minimal + "web: 9100\n", "f:2: web must be a mapping (key: value), it is a number: write its keys on lines of their own, indented, with a space after each colon"},
		{"no space after colon", "skydive:pa55word\n", "f:1: the file must be a mapping (key: value), it is a string: begin with a key such as skydive:"},
		{"list where a mapping belongs", minimal + "remote_write:\n  url: http://r/api/v1/write\n", `f:2: remote_write must be a list, it is a mapping: write "- " before the first key of each item`},
		{"text where a list belongs", "skydive: {analyzers: 'ws://a'}\n", `f:1: skydive.analyzers must be a list, it is a string: write each item on a line of its own after "- ", or all in [ ]`},
		{"date is a text", under("aggregation", "connection_timeout: 2020-01-01"), `f:3: aggregation.connection_timeout must be a duration, it is "2020-01-01": write numbers with the units ms, s, m, h or d, such as 15s or 1m30s`},
		{"negative", under("aggregation", "max_series: -1"), `f:3: aggregation.max_series is "-1": write a number from 5 to 1000000000`},
		{"huge number", under("aggregation", "max_series: 99999999999999999999"), `f:3: aggregation.max_series is "99999999999999999999": write a number from 5 to 1000000000`},
		{"labels, none", under("aggregation", "labels: []"), "f:3: aggregation.labels is empty: list at least one label, or remove the key for the default"},
		{"policy for ports", under("aggregation", "ports: servce"), `f:3: aggregation.ports is unknown: "servce": use one of keep, drop, service`},
		{"no label is left", under("aggregation", "ports: drop\n  labels: [target_port]"), "f:3: aggregation.ports is drop, and labels has nothing but ports: add another label, or remove ports"},
		{"service port", under("aggregation", "ports: service\n  service_ports: [80/icmp]"),
			`f:4: aggregation.service_ports[0] is "80/icmp": write a port from 1 to 65535, or a range, for one protocol or for all: 8000, 8000-8010, 8000/tcp`},
		{"range of ports", under("aggregation", "ports: service\n  service_ports: [90-80]"),
			`f:4: aggregation.service_ports[0] is "90-80": write a port from 1 to 65535, or a range, for one protocol or for all: 8000, 8000-8010, 8000/tcp`},
		{"network twice", under("aggregation", "labels: [target_network]\n  networks:\n    a: [10.0.0.0/8]\n    b: [10.0.0.0/8]"),
			`f:6: aggregation.networks.b has 10.0.0.0/8, and so has the network "a": give each prefix one name; of those that overlap the longest wins`},
		{"name of a network", under("aggregation", "labels: [target_network]\n  networks: {\"\": [10.0.0.0/8]}"),
			"f:4: a key of aggregation.networks is empty, longer than 256 bytes or cannot be printed: choose a short name: it becomes the label's value"},
		{"no network", under("aggregation", "labels: [target_network]\n  networks: {a: [x]}"),
			`f:4: aggregation.networks.a[0] is "x", which is no network: write address/bits, such as 10.0.0.0/8 or fd00::/8`},
		{"unknown protocol", under("aggregation", "exclude_protocols: [icmp]"), `f:3: aggregation.exclude_protocols[0] is unknown: "icmp": use one of TCP, UDP, SCTP`},
		{"application twice", under("aggregation", "exclude_applications: [DNS, DNS]"), `f:3: aggregation.exclude_applications[1] is the same as one before it: remove one of them`},
		{"application without a name", under("aggregation", "exclude_applications: ['']"),
			"f:3: aggregation.exclude_applications[0] is empty, longer than 256 bytes or cannot be printed: write Skydive's word, such as DNS or VXLAN"},
		{"retried code", stanza("retry_on_http: [401, 503]"),
			`f:4: remote_write[0].retry_on_http[1] is "503": write a number from 400 to 499: 5xx is always retried, and other codes refuse nothing`},
		{"too much excluded", under("aggregation", "exclude_applications: "+list("A%d", 1001)),
			"f:3: aggregation.exclude_applications has 1001 items: list at most 1000"},
		{"too many analyzers", "skydive: {analyzers: " + list("a%d:1", 65) + "}", "f:1: skydive.analyzers has 65 items: list at most 64"},
		{"external label that is chosen", "global: {external_labels: {host: x}}\n" + under("aggregation", "labels: [host]"),
			"f:1: global.external_labels.host is already a label of what is pushed: choose another name"},
		{"retention too short for a long timeout", under("aggregation", "connection_timeout: 1h"),
			"f:3: aggregation.connection_timeout (1h) is greater than flow_retention (30m): lower connection_timeout or raise flow_retention"},
		{"environment variable", under("skydive", "basic_auth: {username: u, password_file: '${CREDENTIALS_DIRECTORY}/p'}"),
			"f:3: skydive.basic_auth.password_file contains ${, and environment variables are not expanded: write the path; a systemd credential is /run/credentials/<unit>/<name>"},
		{"name of one, URL of the other", minimal + "remote_write:\n- url: http://r/api/v1/write\n- {url: http://r/x/api/v1/write, name: http://r/api/v1/write}\n",
			"f:4: remote_write[1].name is the same as that of remote_write[0] in line 3: give each endpoint a name of its own"},
		{"oauth2 without secret", stanza("oauth2: {client_id: i, token_url: http://t}"), "f:4: remote_write[0].oauth2 has no secret: add client_secret_file or client_secret"},
		{"header set twice", stanza("headers: {X-A: b}\n  http_headers: {x-a: {values: [c]}}"), "f:5: remote_write[0].http_headers sets a header that headers sets as well: keep one of them"},
		{"null in basic_auth", stanza("basic_auth: {username: }"), "f:4: remote_write[0].basic_auth has no username: add username or username_file"},
		{"two claims of a name", stanza("oauth2: {client_id: i, client_secret: s, token_url: http://t, claims: {a: 1, a: 2}}"),
			"f:4: remote_write[0].oauth2.claims must be a mapping with distinct keys: write its keys on lines of their own, indented"},
		{"fragment", minimal + "remote_write:\n- url: http://r/api/v1/write#x\n", "f:3: remote_write[0].url has a fragment: remove # and what follows"},
		{"scheme of a receiver", minimal + "remote_write:\n- url: ftp://r/w\n", "f:3: remote_write[0].url must begin with http:// or https://: write http://host:port/path or https://…"},
		{"scheme of a proxy", stanza("proxy_url: ftp://p:1"), "f:4: remote_write[0].proxy_url has an unknown scheme: write http://host:port, https:// or socks5://"},
		{"versions of TLS", under("skydive", "tls_config: {min_version: TLS13, max_version: TLS12}"), "f:3: skydive.tls_config.max_version is below min_version: raise max_version or remove it"},
		{"scopes as text", stanza("oauth2: {client_id: i, client_secret: s, token_url: http://t, scopes: a}"),
			`f:4: remote_write[0].oauth2.scopes must be a list, it is a string: write each item on a line of its own after "- ", or all in [ ]`},
		{"scope as list", stanza("oauth2: {client_id: i, client_secret: s, token_url: http://t, scopes: [[a]]}"),
			"f:4: remote_write[0].oauth2.scopes[0] must be one value, it is a list: put it in quotes if it begins with { or ["},
		{"grant without key", stanza("oauth2: {client_id: i, token_url: http://t, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer'}"),
			"f:4: remote_write[0].oauth2 has no key for its grant_type: add client_certificate_key_file or client_certificate_key, or remove grant_type"},
		{"authorization without credentials", stanza("authorization: {type: Bearer}"), "f:4: remote_write[0].authorization has no credentials: add credentials_file or credentials"},
		{"basic authorization", stanza("authorization: {type: basic, credentials: x}"), `f:3: remote_write[0]: authorization type cannot be set to "basic", use "basic_auth" instead: correct this stanza`},
		{"external label without value", under("global", "external_labels: {a: }"), "f:3: global.external_labels.a has no value: write one, or remove the external label"},
		{"external label too long", under("global", "external_labels: {a: "+strings.Repeat("x", 2049)+"}"), "f:3: global.external_labels.a has 2049 bytes: write at most 2048; receivers refuse more"},
		{"label name that the receiver does not accept", stanza("external_labels: {data-center: x}"),
			"f:4: remote_write[0].external_labels.data-center is no valid label name: use letters, digits and _, and begin with a letter or _; if the receiver accepts others, set its metric_name_validation_scheme: utf8"},
		{"label name that one of them does not accept", "global: {external_labels: {data-center: x}}\n" + stanza("metric_name_validation_scheme: utf8\n- url: http://r/2/api/v1/write"),
			"f:1: global.external_labels.data-center is no valid label name: use letters, digits and _, and begin with a letter or _; if the receiver accepts others, set its metric_name_validation_scheme: utf8"},
		{"external labels as list", under("global", "external_labels: [a]"),
			"f:3: global.external_labels must be a mapping (key: value), it is a list: write its keys on lines of their own, indented, with a space after each colon"},
		{"password without user", under("skydive", "basic_auth: {password: pa55word}"), "f:3: skydive.basic_auth has a password without a username: add username or username_file"},
		{"two usernames", under("skydive", "basic_auth: {username: u, username_file: f, password: p}"), "f:3: skydive.basic_auth has both username and username_file: keep one of them"},
		{"login without an account", under("skydive", "login: true"), "f:3: skydive.login is true, and there is no basic_auth to log in with: add basic_auth, or remove login"},
		{"two ways to authenticate at analyzers", under("skydive", "basic_auth: {username: u}\n  authorization: {credentials: x}"), "f:1: skydive: at most one of basic_auth, oauth2 & authorization must be configured: keep one and remove the others"},
		{"header twice", under("skydive", "headers: {cookie: a}\n  http_headers: {Cookie: {values: [b]}}"), "f:4: skydive.http_headers sets a header that headers sets as well: keep one of them"},
		{"header of the handshake", under("skydive", "headers: {Sec-WebSocket-Protocol: x}"), "f:3: skydive.headers.Sec-WebSocket-Protocol is reserved to the protocol: remove it"},
		{"header for the proxy", under("skydive", "proxy_url: http://p:1\n  proxy_connect_header: {X-A: [b]}"), "f:4: skydive.proxy_connect_header is not supported for analyzers: remove it; a user and a password can stand in proxy_url"},
		{"header without value", stanza("headers: {X-A: }"), "f:4: remote_write[0].headers.X-A has no value: write one, or remove the header"},
		{"reserved header in http_headers", stanza("http_headers: {host: {values: [a]}}"), "f:4: remote_write[0].http_headers.host is reserved to the protocol: remove it"},
		{"NUL in a file's name", stanza("bearer_token_file: \"a\\0b\""), "f:4: remote_write[0].bearer_token_file has a NUL character: write the path of a file"},
		{"name", stanza("name: \"a\\nb\""), "f:4: remote_write[0].name is too long or has characters that cannot be printed: choose a short name"},
		{"a node without room", under("aggregation", "max_series_per_node: 4"), `f:3: aggregation.max_series_per_node is "4": write a number from 5 to 1000000000, or 0 for no bound`},
		{"short window", under("aggregation", "top_k: 10\n  top_k_window: 5s"), `f:4: aggregation.top_k_window is "5s": write a duration from 10s to 1d`},
		{"boolean as number", under("aggregation", "max_flows: true"), `f:3: aggregation.max_flows must be a whole number, it is "true": write digits only, without quotes`},
		{"list as number", under("aggregation", "max_flows: [1]"), "f:3: aggregation.max_flows must be a whole number, it is a list: write digits only, without quotes"},
		{"list as duration", under("aggregation", "flow_retention: [1]"),
			"f:3: aggregation.flow_retention must be a duration, it is a list: write numbers with the units ms, s, m, h or d, such as 15s or 1m30s"},
		{"disk too small", under("storage", "max_bytes: 1MB"), `f:3: storage.max_bytes is "1MB": write a size from 16MB to 1024TB`},
		{"age too short", under("storage", "max_age: 1s"), `f:3: storage.max_age is "1s": write a duration from 1m to 1y`},
		{"size out of bounds", under("storage", "memory_max_bytes: 1KB"), `f:3: storage.memory_max_bytes is "1KB": write a size from 1MB to 1TB`},
		{"huge size", under("storage", "memory_max_bytes: 9000000000TB"),
			`f:3: storage.memory_max_bytes must be a size in bytes, it is "9000000000TB": write a whole number with one of the units B, KB, MB, GB or TB, such as 512MB`},
		{"date as boolean", stanza("enable_http2: 2020-01-01"), "f:4: remote_write[0].enable_http2 must be true or false, it is \"2020-01-01\": write one of them, without quotes"},
		{"empty item", under("skydive", "capture_ids: [a, ~]"), "f:3: skydive.capture_ids[1] is empty: write a value after the dash, or remove it"},
		{"an address in a wrong place", under("web", "listen_address: u:pa55word@h:1"),
			`f:3: web.listen_address must be host:port, it is something with an @: write host:port, or ":9100" for every address of this machine`},
		{"a relative socket", under("web", "listen_address: unix:x.sock"),
			`f:3: web.listen_address is no path of a Unix socket: "unix:x.sock": write an absolute path of at most 107 bytes, such as unix:///run/skybridge/web.sock`},
		{"a receiver's socket without a path", minimal + "remote_write:\n- url: unix:///run/x.sock\n",
			"f:3: remote_write[0].url has no scheme or no host: write unix:///run/receiver.sock:/api/v1/write"},
		{"a variable in a receiver's socket", minimal + "remote_write:\n- url: unix://$DIR/x.sock:/api/v1/write\n",
			"f:3: remote_write[0].url contains a variable, and environment variables are not expanded: write the value itself; a $ that is meant is written %24"},
		{"a receiver's socket by a proxy", minimal + "remote_write:\n- url: unix:///run/x.sock:/api/v1/write\n  proxy_url: http://p:1\n",
			"f:4: remote_write[0].proxy_url is set, and a Unix socket is not reached by a proxy: remove it"},
		{"error in the second document", minimal + "---\n[\n", "f:3: this is not valid YAML (did not find expected node content): put the value in quotes"},
		{"a part of an hour", under("aggregation", "flow_retention: 1.5h"), `f:3: aggregation.flow_retention must be a duration, it is "1.5h": whole numbers are wanted; write 1h30m`},
		{"a part of a day", under("aggregation", "flow_retention: 1.5d"),
			`f:3: aggregation.flow_retention must be a duration, it is "1.5d": whole numbers are wanted, with the units ms, s, m, h or d, such as 1h30m`},
		{"variable in a list", under("aggregation", "labels: [${LABELS}]"), variableInBraces},
		{"variable in a longer list", under("aggregation", "labels: [protocol,\n    ${LABELS}, direction]"), strings.Replace(variableInBraces, "3", "4", 1)},
		{"variable in a mapping", under("global", "external_labels: {site: ${SITE}}"), variableInBraces},
		{"variable in a list in quotes", under("aggregation", "labels: ['${LABELS}']"),
			`f:3: aggregation.labels[0] is an unknown label: "${LABELS}": environment variables are not expanded; write the value itself`},
		{"variable as duration", under("global", "push_interval: ${INTERVAL}"),
			`f:3: global.push_interval must be a duration, it is "${INTERVAL}": environment variables are not expanded; write the value itself`},
		{"variable as number", under("aggregation", "max_flows: $MAX"), `f:3: aggregation.max_flows must be a whole number, it is "$MAX": environment variables are not expanded; write the value itself`},
		{"variable as list", under("aggregation", "cluster_networks: ${NETWORKS}"),
			`f:3: aggregation.cluster_networks must be a list, it is a string: environment variables are not expanded; write the value itself`},
		{"proxy without URL", stanza("no_proxy: a"), "f:3: remote_write[0]: if no_proxy is configured, proxy_url must also be configured: add what is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := parse("f", []byte(c.yaml))
			if err == nil || got != nil {
				t.Fatalf("got %v, %v", got, err)
			}
			if d := cmp.Diff(c.want, err.Error()); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestIndentation proves that a bad indentation is reported at its own line, wherever
// the parser says that it is.
func TestIndentation(t *testing.T) {
	for yaml, want := range map[string]int{
		"skydive:\n  analyzers: [x]\n   capture_ids: []\nweb: {}\n":                                            3,
		"skydive:\n  analyzers: [x]\n capture_ids: []\n  host_id: x\n":                                         3,
		"global:\n  push_interval: 15s\n    external_labels:\n      a: b\nweb: {}\n":                           3,
		"skydive:\n  analyzers:\n    - a\n   - b\n  host_id: x\n":                                              4,
		"skydive:\n    analyzers: [a]\n  host_id: b\nweb: {}\n":                                                3,
		"remote_write:\n  - url: a\n   name: b\nweb: {}\n":                                                     3,
		"remote_write:\n  - url: a\n    queue_config:\n      min_shards: 1\n     max_shards: 2\n    name: y\n": 5,
		"global:\n  push_interval: 15s\n\n\n# comment\n   external_labels: {}\n  x: y\n":                       6,
		"skydive:\nanalyzers: [x]\n  capture_ids: []\n":                                                        3,
		"remote_write:\n  - url: a\n    name: b\n  queue_config:\n    min_shards: 1\nweb: {}\n":                4,
		" global:\n  push_interval: 15s\nskydive:\n  host_id: x\n":                                             3,
		"skydive:\n  analyzers: [x]\n  basic_auth:\n    username: u\n  - password: pa55word\nweb: {}\n":        5,
		"skydive:\n  analyzers: [x]\n  host_id: \"a\n\n    b\"\n capture_ids: []\n":                            6,
		"aggregation:\n  labels: [a,\n    b]\n  networks:\n    a: [1.0.0.0/8]\n     b: [2.0.0.0/8]\nweb: {}\n": 6,
	} {
		_, _, err := parse("f", []byte(yaml))
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("f:%d: this is not valid YAML", want)) || !strings.Contains(err.Error(), "check the indentation") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\nwant line %d, got %v", yaml, want, err)
		}
	}
}

// list is a list of n different items.
func list(format string, n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// TestWarnings proves what is accepted with a word about it.
func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name, yaml string
		want       []string
	}{
		{"keys of Prometheus without meaning", stanza("send_exemplars: true\n  send_native_histograms: true\n  round_robin_dns: true\n  metadata_config: {max_samples_per_send: 5}\n  queue_config: {capacity: 1, batch_send_deadline: 5s}"),
			[]string{
				"f:4: remote_write[0].send_exemplars has no effect: skybridge has counters and gauges only",
				"f:5: remote_write[0].send_native_histograms has no effect: skybridge has counters and gauges only",
				"f:6: remote_write[0].round_robin_dns has no effect: new connections are made every 5 minutes and go where the resolver says",
				"f:7: remote_write[0].metadata_config.max_samples_per_send has no effect: there are few metrics, their metadata fits one request",
				"f:8: remote_write[0].queue_config.capacity has no effect: samples leave at each tick, they are not collected in shards",
				"f:8: remote_write[0].queue_config.batch_send_deadline has no effect: samples leave at each tick, they are not collected in shards",
			}},
		{"retried codes of single samples", stanza("retry_on_http: [401, 409, 425]"),
			[]string{
				"f:4: remote_write[0].retry_on_http has 409, with which receivers refuse single samples for good, such as those out of order: each of them delays all others for up to 15 minutes",
				"f:4: remote_write[0].retry_on_http has 425, which has no effect: such a request is always sent again, after 413 in halves",
			}},
		{"networks", under("aggregation", "cluster_networks: [10.1.2.3/8, 10.0.0.0/8]"),
			[]string{"f:3: aggregation.cluster_networks[0] is 10.1.2.3/8, which is read as 10.0.0.0/8", "f:3: aggregation.cluster_networks[1] is the same as one before it"}},
		{"nothing is left", under("aggregation", "exclude_classes: [other]"),
			[]string{"f:3: aggregation.exclude_classes names other, and without cluster networks every connection is of that class: none is left"}},
		{"nothing at all", under("aggregation", "exclude_classes: [other, ingress, egress, internal]"),
			[]string{"f:3: aggregation.exclude_classes names every class: no connection is left"}},
		{"more of the busiest than fit", under("aggregation", "top_k: 300\n  max_series: 1000"),
			[]string{"f:3: aggregation.top_k is 300 connections of up to 5 series, more than max_series (1000) has room for: max_series decides"}},
		{"one observer told apart", under("aggregation", "observers: one"),
			[]string{"f:3: aggregation.observers is one, which counts as all, because the label node_tid tells one observer from another"}},
		{"environment", stanza("external_labels: {site: '${HOSTNAME}'}"),
			[]string{"f:4: remote_write[0].external_labels.site contains a variable, and environment variables are not expanded: it is taken as it is"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, warnings, err := parse("f", []byte(c.yaml))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, texts(warnings)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestManyErrors proves that a file of another kind does not fill the log.
func TestManyErrors(t *testing.T) {
	var many Errors
	for range maxErrorsShown + 7 {
		many.List = append(many.List, &Error{File: "f", Line: 1, What: "bad"})
	}
	if text := many.Error(); !strings.HasSuffix(text, "\n… and 7 more errors") {
		t.Errorf("long list ends with %q", text[len(text)-40:])
	}
}
