// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

const minimal = "skydive: {analyzers: [ws://127.0.0.1:8082]}\n"

// base is what [minimal] means.
func base() Config {
	c := Default()
	c.Skydive.Analyzers = []string{"ws://127.0.0.1:8082/ws/subscriber/flow"}
	return c
}

// keyCase is a value of a key: as YAML, and as what it does to a Config.
type keyCase struct {
	name string
	// key is the key of liveKeys that the case is about, "" for one of
	// Prometheus' HTTP client.
	key  string
	yaml string
	want func(*Config)
}

func endpoint(set func(*RemoteWrite)) func(*Config) {
	return func(c *Config) {
		rw := defaultRemoteWrite("http://r/api/v1/write")
		set(&rw)
		c.RemoteWrite = []RemoteWrite{rw}
	}
}

func rule(set func(*relabel.Config)) *relabel.Config {
	c := relabel.DefaultRelabelConfig
	c.NameValidationScheme = model.LegacyValidation
	set(&c)
	return &c
}

func rules(sets ...func(*relabel.Config)) func(*Config) {
	return endpoint(func(rw *RemoteWrite) {
		for _, set := range sets {
			rw.WriteRelabelConfigs = append(rw.WriteRelabelConfigs, rule(set))
		}
	})
}

func queue(set func(*Queue)) func(*Config) {
	return endpoint(func(rw *RemoteWrite) { set(&rw.Queue) })
}

func client(set func(*commoncfg.HTTPClientConfig)) func(*Config) {
	return endpoint(func(rw *RemoteWrite) { set(&rw.HTTPClient) })
}

// stanza is an endpoint with more keys.
func stanza(keys string) string {
	return minimal + "remote_write:\n- url: http://r/api/v1/write\n  " + keys + "\n"
}

// under gives a section of the file one more key; skydive needs its analyzers.
func under(section, key string) string {
	if section == "skydive" {
		return "skydive:\n  analyzers: [ws://127.0.0.1:8082]\n  " + key + "\n"
	}
	return minimal + section + ":\n  " + key + "\n"
}

func keyCases() []keyCase {
	return []keyCase{
		{"interval", "global.push_interval", under("global", "push_interval: 1m30s"), func(c *Config) { c.Global.PushInterval = 90 * time.Second }},
		{"labels are sorted, numbers are texts", "global.external_labels", under("global", "external_labels: {z: 010, a: 'x y', m: yes}"),
			func(c *Config) { c.Global.ExternalLabels = map[string]string{"a": "x y", "m": "yes", "z": "010"} }},
		{"a dollar", "global.external_labels", under("global", "external_labels: {a: 'x$$y'}"),
			func(c *Config) { c.Global.ExternalLabels = map[string]string{"a": "x$y"} }},
		{"analyzers in all spellings", "skydive.analyzers",
			"skydive:\n  analyzers:\n  - a:1\n  - WSS://B.example:2/\n  - ws://[::1]:8082\n  - '[fd00::1]:8082'\n  - ws://proxy/skydive/feed?x=1\n",
			func(c *Config) {
				c.Skydive.Analyzers = []string{
					"ws://a:1/ws/subscriber/flow", "wss://b.example:2/ws/subscriber/flow", "ws://[::1]:8082/ws/subscriber/flow",
					"ws://[fd00::1]:8082/ws/subscriber/flow", "ws://proxy/skydive/feed?x=1",
				}
			}},
		{"captures", "skydive.capture_ids", under("skydive", "capture_ids: [one, 2]"), func(c *Config) { c.Skydive.CaptureIDs = []string{"one", "2"} }},
		{"host id", "skydive.host_id", under("skydive", "host_id: bridge-1"), func(c *Config) { c.Skydive.HostID = "bridge-1" }},
		{"user alone", "skydive.basic_auth.username", under("skydive", "basic_auth: {username: u}"), func(c *Config) { c.Skydive.BasicAuth.Username = "u" }},
		{"password as it is written", "skydive.basic_auth.password", under("skydive", "basic_auth: {username: u, password: 0123}"),
			func(c *Config) { c.Skydive.BasicAuth = BasicAuth{Username: "u", Password: "0123"} }},
		{"password file beside the configuration", "skydive.basic_auth.password_file", under("skydive", "basic_auth: {username: u, password_file: s/p}"),
			func(c *Config) { c.Skydive.BasicAuth = BasicAuth{Username: "u", PasswordFile: "etc/s/p"} }},
		{"user file", "skydive.basic_auth.username_file", under("skydive", "basic_auth: {username_file: /u}"), func(c *Config) { c.Skydive.BasicAuth.UsernameFile = "/u" }},
		{"login", "skydive.login", under("skydive", "login: true\n  basic_auth: {username: u}"), func(c *Config) { c.Skydive.Login, c.Skydive.BasicAuth.Username = true, "u" }},
		{"headers for analyzers", "skydive.headers", under("skydive", "headers: {Cookie: a=b}"), func(c *Config) { c.Skydive.Headers = map[string]string{"Cookie": "a=b"} }},
		{"a token for analyzers", "", under("skydive", "authorization: {credentials_file: /t}"),
			func(c *Config) {
				c.Skydive.Others.Authorization = &commoncfg.Authorization{Type: "Bearer", CredentialsFile: "/t"}
			}},
		{"password file elsewhere", "skydive.basic_auth.password_file", under("skydive", "basic_auth: {username: u, password_file: /run/credentials/u/p}"),
			func(c *Config) {
				c.Skydive.BasicAuth = BasicAuth{Username: "u", PasswordFile: "/run/credentials/u/p"}
			}},
		{"TLS to analyzers", "skydive.tls_config",
			under("skydive", "tls_config: {ca_file: ca.pem, cert: C, key: K, server_name: s, insecure_skip_verify: true, min_version: TLS12, max_version: TLS13}"),
			func(c *Config) {
				c.Skydive.TLS = commoncfg.TLSConfig{CAFile: "etc/ca.pem", Cert: "C", Key: "K", ServerName: "s", InsecureSkipVerify: true,
					MinVersion: commoncfg.TLSVersions["TLS12"], MaxVersion: commoncfg.TLSVersions["TLS13"]}
			}},
		{"silence timeout", "skydive.silence_timeout", under("skydive", "silence_timeout: 5m"), func(c *Config) { c.Skydive.SilenceTimeout = 5 * time.Minute }},
		{"silence timeout learned", "skydive.silence_timeout", under("skydive", "silence_timeout: auto"), func(*Config) {}},
		{"fewer labels, in the order of the file", "aggregation.labels", under("aggregation", "labels: [protocol, direction]"),
			func(c *Config) { c.Aggregation.Labels = []string{"protocol", "direction"} }},
		{"connection timeout", "aggregation.connection_timeout", under("aggregation", "connection_timeout: 5m"),
			func(c *Config) { c.Aggregation.ConnectionTimeout = 5 * time.Minute }},
		{"flow retention", "aggregation.flow_retention", under("aggregation", "flow_retention: 1d"),
			func(c *Config) { c.Aggregation.FlowRetention = 24 * time.Hour }},
		{"max series", "aggregation.max_series", under("aggregation", "max_series: 2_000"), func(c *Config) { c.Aggregation.MaxSeries = 2000 }},
		{"max flows", "aggregation.max_flows", under("aggregation", "max_flows: 1"), func(c *Config) { c.Aggregation.MaxFlows = 1 }},
		{"labels beyond the default ones", "aggregation.labels", under("aggregation", "labels: [flow_class, initiator_name]"),
			func(c *Config) { c.Aggregation.Labels = []string{"flow_class", "initiator_name"} }},
		{"ports", "aggregation.ports", under("aggregation", "ports: drop"), func(c *Config) { c.Aggregation.Ports = "drop" }},
		{"service ports", "aggregation.service_ports", under("aggregation", "ports: service\n  service_ports: [9042, 8000-8010/tcp, 5000/UDP]"),
			func(c *Config) {
				c.Aggregation.Ports = "service"
				c.Aggregation.ServicePorts = []ServicePorts{{9042, 9042, ""}, {8000, 8010, "TCP"}, {5000, 5000, "UDP"}}
			}},
		{"networks", "aggregation.networks", under("aggregation", "labels: [target_network]\n  networks:\n    office east: [10.1.0.0/16, 'fd00:1::/32']\n    dc: ['::ffff:10.0.0.0/104']"),
			func(c *Config) {
				c.Aggregation.Labels = []string{"target_network"}
				c.Aggregation.Networks = map[string][]netip.Prefix{
					"office east": {netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")},
					"dc":          {netip.MustParsePrefix("10.0.0.0/8")},
				}
			}},
		{"excluded networks", "aggregation.exclude_networks", under("aggregation", "exclude_networks: [127.0.0.0/8, '::1/128']"),
			func(c *Config) {
				c.Aggregation.ExcludeNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
			}},
		{"excluded protocols", "aggregation.exclude_protocols", under("aggregation", "exclude_protocols: [udp, SCTP]"),
			func(c *Config) { c.Aggregation.ExcludeProtocols = []string{"UDP", "SCTP"} }},
		{"excluded applications", "aggregation.exclude_applications", under("aggregation", "exclude_applications: [DNS, VXLAN]"),
			func(c *Config) { c.Aggregation.ExcludeApplications = []string{"DNS", "VXLAN"} }},
		{"series of a node", "aggregation.max_series_per_node", under("aggregation", "max_series_per_node: 5"), func(c *Config) { c.Aggregation.MaxSeriesPerNode = 5 }},
		{"the busiest", "aggregation.top_k", under("aggregation", "top_k: 1000"), func(c *Config) { c.Aggregation.TopK = 1000 }},
		{"the busiest of", "aggregation.top_k_window", under("aggregation", "top_k: 1\n  top_k_window: 1h"),
			func(c *Config) { c.Aggregation.TopK, c.Aggregation.TopKWindow = 1, time.Hour }},
		{"cluster networks", "aggregation.cluster_networks", under("aggregation", "cluster_networks: [10.0.0.0/8, 'fd00::/8', '::ffff:192.168.0.0/112', 1.2.3.4/32]"),
			func(c *Config) {
				for _, p := range []string{"10.0.0.0/8", "fd00::/8", "192.168.0.0/16", "1.2.3.4/32"} {
					c.Aggregation.ClusterNetworks = append(c.Aggregation.ClusterNetworks, netip.MustParsePrefix(p))
				}
			}},
		{"excluded classes", "aggregation.exclude_classes", under("aggregation", "exclude_classes: [internal, ingress]"),
			func(c *Config) { c.Aggregation.ExcludeClasses = []string{"internal", "ingress"} }},
		{"no topology", "topology.enabled", under("topology", "enabled: false"), func(c *Config) { c.Topology.Enabled = false }},
		{"label names of any characters", "remote_write[].metric_name_validation_scheme", stanza("metric_name_validation_scheme: utf8\n  external_labels: {data-center: x}"),
			endpoint(func(rw *RemoteWrite) {
				rw.NameValidation, rw.ExternalLabels = "utf8", map[string]string{"data-center": "x"}
			})},
		{"names of analyzers", "", "skydive:\n  analyzers: ['dns+ws://A:8082', 'dnssrv+wss://_s.b/x']\n",
			func(c *Config) {
				c.Skydive.Analyzers = []string{"dns+ws://a:8082/ws/subscriber/flow", "dnssrv+wss://_s.b/x"}
			}},
		{"topology elsewhere", "topology.analyzers", under("topology", "analyzers: [wss://b:1, 'c:2']"),
			func(c *Config) {
				c.Topology.Analyzers = []string{"wss://b:1/ws/subscriber/flow", "ws://c:2/ws/subscriber/flow"}
			}},
		{"topology seldom", "topology.refresh_interval", under("topology", "refresh_interval: 5m"), func(c *Config) { c.Topology.RefreshInterval = 5 * time.Minute }},
		{"names", "topology.cache_size", under("topology", "cache_size: 2000000"), func(c *Config) { c.Topology.CacheSize = 2_000_000 }},
		{"observers", "aggregation.observers", under("aggregation", "labels: [protocol]\n  observers: one"),
			func(c *Config) { c.Aggregation.Labels, c.Aggregation.Observers = []string{"protocol"}, "one" }},
		{"tunnels", "aggregation.tunnels", under("aggregation", "tunnels: outer"), func(c *Config) { c.Aggregation.Tunnels = "outer" }},
		{"flow_expire", "aggregation.flow_expire", under("aggregation", "flow_expire: 10m"), func(c *Config) { c.Aggregation.FlowExpire = 10 * time.Minute }},
		{"portless", "aggregation.portless", under("aggregation", "portless: count"), func(c *Config) { c.Aggregation.Portless = "count" }},
		{"disk", "storage.max_bytes", under("storage", "max_bytes: 1TB"), func(c *Config) { c.Storage.MaxBytes = 1 << 40 }},
		{"age", "storage.max_age", under("storage", "max_age: 3h"), func(c *Config) { c.Storage.MaxAge = 3 * time.Hour }},
		{"memory", "storage.memory_max_bytes", under("storage", "memory_max_bytes: 2GiB"), func(c *Config) { c.Storage.MemoryMaxBytes = 2 << 30 }},
		{"memory in bytes", "storage.memory_max_bytes", under("storage", "memory_max_bytes: 2000001"), func(c *Config) { c.Storage.MemoryMaxBytes = 2_000_001 }},
		{"address", "web.listen_address", under("web", "listen_address: '[::1]:0'"), func(c *Config) { c.Web.ListenAddress = "[::1]:0" }},
		{"socket", "web.listen_address", under("web", "listen_address: unix:/run/x.sock"), func(c *Config) { c.Web.ListenAddress = "unix:/run/x.sock" }},

		{"endpoint", "remote_write[].url", stanza(""), endpoint(func(*RemoteWrite) {})},
		{"name", "remote_write[].name", stanza("name: 7"), endpoint(func(rw *RemoteWrite) { rw.Name = "7" })},
		{"window", "remote_write[].backlog_window", stanza("backlog_window: 20m"), endpoint(func(rw *RemoteWrite) { rw.BacklogWindow = 20 * time.Minute })},
		{"no window", "remote_write[].backlog_window", stanza("backlog_window: 0s"), endpoint(func(rw *RemoteWrite) { rw.BacklogWindow = 0 })},
		{"timeout", "remote_write[].remote_timeout", stanza("remote_timeout: 1s500ms"), endpoint(func(rw *RemoteWrite) { rw.RemoteTimeout = 1500 * time.Millisecond })},
		{"headers", "remote_write[].headers", stanza("headers: {X-Scope-OrgID: 12, THANOS-TENANT: a b}"),
			endpoint(func(rw *RemoteWrite) { rw.Headers = map[string]string{"X-Scope-OrgID": "12", "THANOS-TENANT": "a b"} })},
		{"min shards", "remote_write[].queue_config.min_shards", stanza("queue_config: {min_shards: 4}"), queue(func(q *Queue) { q.MinShards = 4 })},
		{"max shards", "remote_write[].queue_config.max_shards", stanza("queue_config: {max_shards: 4}"), queue(func(q *Queue) { q.MaxShards = 4 })},
		{"samples", "remote_write[].queue_config.max_samples_per_send", stanza("queue_config: {max_samples_per_send: 500}"), queue(func(q *Queue) { q.MaxSamplesPerSend = 500 })},
		{"min backoff", "remote_write[].queue_config.min_backoff", stanza("queue_config: {min_backoff: 1s}"), queue(func(q *Queue) { q.MinBackoff = time.Second })},
		{"max backoff", "remote_write[].queue_config.max_backoff", stanza("queue_config: {max_backoff: 30ms}"), queue(func(q *Queue) { q.MaxBackoff = 30 * time.Millisecond })},
		{"429", "remote_write[].queue_config.retry_on_http_429", stanza("queue_config: {retry_on_http_429: False}"), queue(func(q *Queue) { q.RetryOnHTTP429 = false })},

		{"retried codes", "remote_write[].retry_on_http", stanza("retry_on_http: [401, 418]"), endpoint(func(rw *RemoteWrite) { rw.RetryOnHTTP = []int{401, 418} })},
		{"no retried codes", "remote_write[].retry_on_http", stanza("retry_on_http: []"), endpoint(func(rw *RemoteWrite) { rw.RetryOnHTTP = nil })},
		{"age limit", "remote_write[].queue_config.sample_age_limit", stanza("queue_config: {sample_age_limit: 30m}"), queue(func(q *Queue) { q.SampleAgeLimit = 30 * time.Minute })},
		{"message", "remote_write[].protobuf_message", stanza("protobuf_message: prometheus.WriteRequest"), endpoint(func(rw *RemoteWrite) { rw.ProtobufMessage = "prometheus.WriteRequest" })},
		{"labels of an endpoint", "remote_write[].external_labels", stanza("external_labels: {z: 1, a: 2}"), endpoint(func(rw *RemoteWrite) { rw.ExternalLabels = map[string]string{"a": "2", "z": "1"} })},
		{"no metadata", "remote_write[].metadata_config.send", stanza("metadata_config: {send: false}"), endpoint(func(rw *RemoteWrite) { rw.Metadata.Send = false })},
		{"metadata interval", "remote_write[].metadata_config.send_interval", stanza("metadata_config: {send_interval: 5m}"), endpoint(func(rw *RemoteWrite) { rw.Metadata.SendInterval = 5 * time.Minute })},
		{"relabelling", "remote_write[].write_relabel_configs",
			stanza("write_relabel_configs:\n  - {source_labels: [a, b], separator: '', regex: '(x|10)', target_label: c, replacement: $1}\n  - {action: HashMod, source_labels: [a], modulus: 8, target_label: m}\n  - {regex: '', action: labeldrop}\n  - {action: keepequal, source_labels: [a], target_label: b}"),
			rules(func(c *relabel.Config) {
				c.SourceLabels, c.Separator, c.Regex, c.TargetLabel = model.LabelNames{"a", "b"}, "", relabel.MustNewRegexp("(x|10)"), "c"
			}, func(c *relabel.Config) {
				c.Action, c.SourceLabels, c.Modulus, c.TargetLabel = relabel.HashMod, model.LabelNames{"a"}, 8, "m"
			}, func(c *relabel.Config) { c.Action, c.Regex = relabel.LabelDrop, relabel.MustNewRegexp("") },
				func(c *relabel.Config) {
					c.Action, c.SourceLabels, c.TargetLabel = relabel.KeepEqual, model.LabelNames{"a"}, "b"
				})},
		{"basic_auth", "", stanza("basic_auth: {username: u, password: p}"),
			client(func(c *commoncfg.HTTPClientConfig) { c.BasicAuth = &commoncfg.BasicAuth{Username: "u", Password: "p"} })},
		{"basic_auth from files", "", stanza("basic_auth: {username_file: u, password_file: /p}"),
			client(func(c *commoncfg.HTTPClientConfig) {
				c.BasicAuth = &commoncfg.BasicAuth{UsernameFile: "etc/u", PasswordFile: "/p"}
			})},
		{"authorization", "", stanza("authorization: {credentials_file: c}"),
			client(func(c *commoncfg.HTTPClientConfig) {
				c.Authorization = &commoncfg.Authorization{Type: "Bearer", CredentialsFile: "etc/c"}
			})},
		{"bearer token", "", stanza("bearer_token: b"),
			client(func(c *commoncfg.HTTPClientConfig) {
				c.Authorization = &commoncfg.Authorization{Type: "Bearer", Credentials: "b"}
			})},
		{"oauth2", "", stanza("oauth2: {client_id: i, client_secret_file: s, token_url: 'https://t/x', scopes: [a, b], endpoint_params: {p: q}, tls_config: {ca_file: c}}"),
			client(func(c *commoncfg.HTTPClientConfig) {
				c.OAuth2 = &commoncfg.OAuth2{ClientID: "i", ClientSecretFile: "etc/s", TokenURL: "https://t/x", Scopes: []string{"a", "b"},
					EndpointParams: map[string]string{"p": "q"}, TLSConfig: commoncfg.TLSConfig{CAFile: "etc/c"}}
			})},
		{"oauth2 with a signed token", "",
			stanza("oauth2: {client_id: i, client_certificate_key_file: k, token_url: 'https://t/x', grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', claims: {n: 1, l: [a], b: true}}"),
			client(func(c *commoncfg.HTTPClientConfig) {
				c.OAuth2 = &commoncfg.OAuth2{ClientID: "i", ClientCertificateKeyFile: "etc/k", TokenURL: "https://t/x",
					GrantType: "urn:ietf:params:oauth:grant-type:jwt-bearer", Claims: map[string]any{"n": 1, "l": []any{"a"}, "b": true}}
			})},
		{"TLS to a receiver", "", stanza("tls_config: {ca_file: c, cert_file: d, key_file: e}"),
			client(func(c *commoncfg.HTTPClientConfig) {
				c.TLSConfig = commoncfg.TLSConfig{CAFile: "etc/c", CertFile: "etc/d", KeyFile: "etc/e"}
			})},
		{"proxy", "", stanza("proxy_url: http://u:p@proxy:3128\n  no_proxy: a,b\n  proxy_connect_header: {X-A: [b, c]}"),
			client(func(c *commoncfg.HTTPClientConfig) {
				c.ProxyURL = commoncfg.URL{URL: &url.URL{Scheme: "http", Host: "proxy:3128", User: url.UserPassword("u", "p")}}
				c.NoProxy = "a,b"
				c.ProxyConnectHeader = commoncfg.ProxyHeader{"X-A": {"b", "c"}}
			})},
		{"proxy of the environment", "", stanza("proxy_from_environment: true"),
			client(func(c *commoncfg.HTTPClientConfig) { c.ProxyFromEnvironment = true })},
		{"no proxy of the environment", "", under("skydive", "proxy_from_environment: false"),
			func(c *Config) { c.Skydive.Others.ProxyFromEnvironment = false }},
		{"no redirects, no HTTP/2", "", stanza("follow_redirects: false\n  enable_http2: false"),
			client(func(c *commoncfg.HTTPClientConfig) { c.FollowRedirects, c.EnableHTTP2 = false, false })},
		{"headers from files", "", stanza("http_headers: {X-A: {values: [a], secrets: [b], files: [c]}}"),
			client(func(c *commoncfg.HTTPClientConfig) {
				c.HTTPHeaders = &commoncfg.Headers{Headers: map[string]commoncfg.Header{
					"X-A": {Values: []string{"a"}, Secrets: []commoncfg.Secret{"b"}, Files: []string{"etc/c"}}}}
			})},
		{"empty values are defaults", "",
			"global:\nskydive: {analyzers: [ws://127.0.0.1:8082], host_id: , basic_auth: , tls_config: ~, silence_timeout: null}\naggregation: {labels: , max_series: }\n" +
				"storage:\nremote_write:\nweb: {listen_address: }\n", func(*Config) {}},
		{"anchors and merge keys", "",
			minimal + "remote_write:\n- &first\n  url: http://r/api/v1/write\n  name: one\n  queue_config: &q {max_shards: 4}\n- <<: *first\n  name: two\n  queue_config: {<<: *q, min_shards: 2}\n",
			func(c *Config) {
				one, two := defaultRemoteWrite("http://r/api/v1/write"), defaultRemoteWrite("http://r/api/v1/write")
				one.Name, one.Queue.MaxShards = "one", 4
				two.Name, two.Queue.MaxShards, two.Queue.MinShards = "two", 4, 2
				c.RemoteWrite = []RemoteWrite{one, two}
			}},
		{"two endpoints at one URL", "", minimal + "remote_write:\n- url: http://r/api/v1/write\n  name: a\n- url: http://r/api/v1/write\n",
			func(c *Config) {
				a, b := defaultRemoteWrite("http://r/api/v1/write"), defaultRemoteWrite("http://r/api/v1/write")
				a.Name = "a"
				c.RemoteWrite = []RemoteWrite{a, b}
			}},
		{"document marks and JSON", "", "---\n{\"skydive\": {\"analyzers\": [\"ws://127.0.0.1:8082\"]}}\n---\n", func(*Config) {}},
	}
}

// TestKeys proves that each key of the file means what it should, read from a
// file and written from a struct and read again.
func TestKeys(t *testing.T) {
	for _, c := range keyCases() {
		want := base()
		c.want(&want)
		t.Run(c.name+" as YAML", func(t *testing.T) {
			got, warnings, err := parse("etc/skybridge.yml", []byte(c.yaml))
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != 0 {
				t.Errorf("warnings: %v", warnings)
			}
			if d := diff(&want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
		for name, w := range map[string]writer{"all": {}, "brief": {brief: true}} {
			t.Run(c.name+" as struct, "+name, func(t *testing.T) {
				text := encode(w.document(&want))
				// In a folder of the same name as that of the wanted files.
				got, _, err := parse("skybridge.yml", text)
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				if d := diff(&want, got); d != "" {
					t.Errorf("(-want +got)\n%s\n%s", d, text)
				}
			})
		}
	}
}

// TestKeyCasesAreComplete proves that no live key lacks a case above.
func TestKeyCasesAreComplete(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range keyCases() {
		tested[c.key] = true
	}
	for _, key := range liveKeys(reflect.TypeFor[Config](), "") {
		if !tested[key] {
			t.Errorf("no case for %s", key)
		}
	}
	for key := range tested {
		if key != "" && !slices.Contains(liveKeys(reflect.TypeFor[Config](), ""), key) {
			t.Errorf("%s is not in liveKeys", key)
		}
	}
}

// TestDefaultsAreFresh proves that no two configurations share memory.
func TestDefaultsAreFresh(t *testing.T) {
	a, b := Default(), Default()
	a.Aggregation.Labels[0] = "changed"
	if b.Aggregation.Labels[0] == "changed" {
		t.Error("Default returns shared labels")
	}
}
