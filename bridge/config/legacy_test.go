// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commoncfg "github.com/prometheus/common/config"
)

// oldFile is a small prom_sky_con.yml; each of its parts can be replaced.
func oldFile(parts map[string]string) string {
	part := func(name, byDefault string) string {
		if s, ok := parts[name]; ok {
			return s
		}
		return byDefault
	}
	return part("top", "") +
		"pipeline:\n" +
		"  subscriber: " + part("subscriber", "{url: ws://127.0.0.1:8082/ws/subscriber/flow}") + "\n" +
		part("stages", "") +
		"  transform: " + part("transform", "{type: none}") + "\n" +
		"  store:\n    type: " + part("store", "prom_sky_con") + "\n    prom_sky_con: " + part("settings", "{port: 9100}") + "\n" +
		part("end", "")
}

// TestLegacy proves that prom_sky_con.yml is read as its own program read it.
func TestLegacy(t *testing.T) {
	type parts = map[string]string
	networks := func(list ...string) func(*Config) {
		return func(c *Config) {
			for _, p := range list {
				c.Aggregation.ClusterNetworks = append(c.Aggregation.ClusterNetworks, netip.MustParsePrefix(p))
			}
		}
	}
	timeout := func(timeout, retention time.Duration) func(*Config) {
		return func(c *Config) { c.Aggregation.ConnectionTimeout, c.Aggregation.FlowRetention = timeout, retention }
	}
	port := func(s string) func(*Config) { return func(c *Config) { c.Web.ListenAddress = s } }
	feed := func(urls ...string) func(*Config) { return func(c *Config) { c.Skydive.Analyzers = urls } }
	auth := func(user, password string) func(*Config) {
		return func(c *Config) { c.Skydive.BasicAuth = BasicAuth{Username: user, Password: commoncfg.Secret(password)} }
	}
	same := func(*Config) {}
	for _, c := range []struct {
		name     string
		yaml     string
		want     func(*Config)
		warnings []string
	}{
		{"as it is shipped", string(sample(t, "prom_sky_con.yml")), same, nil},
		{"least", oldFile(nil), same, nil},
		{"keys in any case", strings.Replace(oldFile(parts{"top": "HOST_ID: a\n"}), "pipeline:", "Pipeline:", 1), func(c *Config) { c.Skydive.HostID = "a" }, nil},
		{"host id", oldFile(parts{"top": "host_id: 12\n"}), func(c *Config) { c.Skydive.HostID = "12" }, nil},
		{"credentials", oldFile(parts{"top": "analyzer: {auth: {cluster: {username: u, password: 0123}}}\n"}), auth("u", "0123"), nil},
		{"user without password", oldFile(parts{"top": "analyzer: {auth: {cluster: {username: u, password: }}}\n"}), auth("u", ""), nil},
		{"password without user", oldFile(parts{"top": "analyzer: {auth: {cluster: {password: p}}}\n"}), same,
			[]string{"f:1: analyzer.auth.cluster.password has no effect without a username"}},
		{"empty stages", oldFile(parts{"top": "analyzer:\n", "stages": "  classify:\n  filter:\n"}), same, nil},
		{"bare capture", oldFile(parts{"subscriber": "{url: ws://127.0.0.1:8082/, capture_id: 1e5}"}), func(c *Config) { c.Skydive.CaptureIDs = []string{"1e5"} }, nil},
		{"feed from analyzers", oldFile(parts{"top": "analyzers: [a:1, ':2', 8083, 'a:1']\n", "subscriber": "{url: }"}),
			feed("ws://a:1/ws/subscriber/flow", "ws://localhost:2/ws/subscriber/flow", "ws://localhost:8083/ws/subscriber/flow"),
			[]string{"f:1: analyzers[3] is the same as one before it"}},
		{"analyzers as one text", oldFile(parts{"top": "analyzers: a:1 b:2\n", "subscriber": ""}), feed("ws://a:1/ws/subscriber/flow", "ws://b:2/ws/subscriber/flow"), nil},
		{"one analyzer of several", oldFile(parts{"top": "analyzers: [a:1, b:2, c:3]\n", "subscriber": "{url: ws://b:2/ws/subscriber/flow}"}),
			func(c *Config) {
				feed("ws://b:2/ws/subscriber/flow")(c)
				c.Topology.Analyzers = []string{"ws://a:1/ws/subscriber/flow", "ws://b:2/ws/subscriber/flow", "ws://c:3/ws/subscriber/flow"}
			},
			[]string{"f:3: pipeline.subscriber.url names one analyzer, and 2 more stand in analyzers: agents spread their flows over all of them; remove the URL to read from all"}},
		{"port as text", oldFile(parts{"settings": "{port: '9200'}"}), port(":9200"), nil},
		{"port absent", oldFile(parts{"settings": ""}), same, nil},
		{"timeout", oldFile(parts{"settings": "{port: 9100, connection_timeout: 120}"}), timeout(2*time.Minute, 30*time.Minute), nil},
		{"timeout as text", oldFile(parts{"settings": "{port: 9100, connection_timeout: '90'}"}), timeout(90*time.Second, 30*time.Minute), nil},
		{"timeout 0", oldFile(parts{"settings": "{port: 9100, connection_timeout: 0}"}), same, nil},
		{"timeout empty", oldFile(parts{"settings": "{port: 9100, connection_timeout: }"}), same, nil},
		{"timeout with a part of a second", oldFile(parts{"settings": "{port: 9100, connection_timeout: 90.7}"}), timeout(90*time.Second, 30*time.Minute), nil},
		{"long timeout raises the retention", oldFile(parts{"settings": "{port: 9100, connection_timeout: 3600}"}), timeout(time.Hour, 2*time.Hour), nil},
		{"timeout with a unit", oldFile(parts{"settings": "{port: 9100, connection_timeout: 90s}"}), timeout(90*time.Second, 30*time.Minute),
			[]string{"f:6: pipeline.store.prom_sky_con.connection_timeout has a unit: it is read as 1m30s, where the old connector took 1m"}},
		{"networks", oldFile(parts{"stages": "  classify: {cluster_net_masks: [10.0.0.0/8, fd00::/8]}\n"}), networks("10.0.0.0/8", "fd00::/8"), nil},
		{"networks as one text", oldFile(parts{"stages": "  classify: {cluster_net_masks: 10.0.0.0/8 1.1.1.0/24}\n"}), networks("10.0.0.0/8", "1.1.1.0/24"), nil},
		{"tags", oldFile(parts{"stages": "  classify: {cluster_net_masks: [10.0.0.0/8]}\n  filter: {excluded_tags: [internal, Other, internal]}\n"}),
			func(c *Config) { networks("10.0.0.0/8")(c); c.Aggregation.ExcludeClasses = []string{"internal"} },
			[]string{`f:4: pipeline.filter.excluded_tags[1] is "Other", which means nothing here: it can be one of ingress, egress, internal, other`,
				"f:4: pipeline.filter.excluded_tags[2] is the same as one before it"}},
		{"key twice", oldFile(parts{"end": "host_id: a\nhost_id: b\n"}), func(c *Config) { c.Skydive.HostID = "b" },
			[]string{"f:8: host_id stands here and in line 7; the last one counts"}},
		{"what is not read", oldFile(parts{
			"top":    "tls: {ca_cert: x}\nlogging: {level: DEBUG}\netcd: {password: pa55word}\nglobal: {push_interval: 1s}\n",
			"stages": "  mangle: {type: none}\n", "settings": "{port: 9100, path: /x}"}), same,
			[]string{
				"f:1: tls has no effect: make a skybridge.yml with skybridge convert-config and set skydive.tls_config there",
				"f:2: logging has no effect: use the flags --log.level and --log.format",
				"f:3: etcd is not read: skybridge has no use for it",
				"f:4: global is not read: of skybridge's own keys only remote_write may stand beside pipeline; make a skybridge.yml with skybridge convert-config",
				"f:7: pipeline.mangle is not read: skybridge has no use for it",
				"f:11: pipeline.store.prom_sky_con.path is not read: skybridge has no use for it",
			}},
		{"remote_write", oldFile(parts{"end": "remote_write:\n- url: http://r/api/v1/write\n  name: n\n"}),
			func(c *Config) {
				rw := defaultRemoteWrite("http://r/api/v1/write")
				rw.Name = "n"
				c.RemoteWrite = []RemoteWrite{rw}
			}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := base()
			c.want(&want)
			got, warnings, err := parse("f", []byte(c.yaml))
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(&want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if d := cmp.Diff(c.warnings, texts(warnings)); d != "" {
				t.Errorf("warnings (-want +got)\n%s", d)
			}
			checkConvert(t, []byte(c.yaml), got)
		})
	}
}

// TestLegacyErrors proves what the old file is refused for: what its own
// program could not run with, and what belongs to other exporters.
func TestLegacyErrors(t *testing.T) {
	type parts = map[string]string
	for _, c := range []struct{ name, yaml, want string }{
		{"another exporter", oldFile(parts{"transform": "{type: secadvisor}", "store": "buffered"}),
			"f:3: pipeline.transform.type is \"secadvisor\", it must be none: skybridge replaces the Prometheus connector only; run other exporters as before\n" +
				"f:5: pipeline.store.type is \"buffered\", it must be prom_sky_con: skybridge replaces the Prometheus connector only; run other exporters as before"},
		{"no store", "pipeline: {subscriber: {url: ws://a:1}}\n", "f:1: pipeline.store.type is missing: write type: prom_sky_con"},
		{"no feed", oldFile(parts{"subscriber": ""}), "f:2: pipeline.subscriber.url is missing, and so are analyzers: write the URL of an analyzer, such as ws://127.0.0.1:8082/ws/subscriber/flow"},
		{"bad analyzer", oldFile(parts{"top": "analyzers: [a]\n", "subscriber": ""}),
			"f:1: analyzers[0] needs host and port: write ws://host:8082, or wss:// where the analyzer has TLS; an IPv6 address stands in [ ]"},
		{"password in the URL", oldFile(parts{"subscriber": "{url: 'ws://a:pa55word@b/'}"}),
			"f:2: pipeline.subscriber.url contains credentials: remove them from the URL and use analyzer.auth.cluster"},
		{"port", oldFile(parts{"settings": "{port: ':9100'}"}),
			`f:6: pipeline.store.prom_sky_con.port is ":9100": write a port from 1 to 65535; for an address use the flag --web.listen-address`},
		{"timeout", oldFile(parts{"settings": "{port: 1, connection_timeout: -5}"}),
			`f:6: pipeline.store.prom_sky_con.connection_timeout is "-5": write whole seconds, such as 60, up to 31536000`},
		{"timeout, no number", oldFile(parts{"settings": "{port: 1, connection_timeout: NaN}"}),
			`f:6: pipeline.store.prom_sky_con.connection_timeout is "NaN": write whole seconds, such as 60, up to 31536000`},
		{"network", oldFile(parts{"stages": "  classify: {cluster_net_masks: [10.0.0.1]}\n"}),
			`f:3: pipeline.classify.cluster_net_masks[0] is "10.0.0.1", which is no network: for this one address write 10.0.0.1/32`},
		{"pipeline of another kind", "pipeline: x\n",
			"f:1: pipeline must be a mapping (key: value), it is a string: write its keys on lines of their own, indented, with a space after each colon\n" +
				"f:1: pipeline.subscriber.url is missing, and so are analyzers: write the URL of an analyzer, such as ws://127.0.0.1:8082/ws/subscriber/flow\n" +
				"f:1: pipeline.store.type is missing: write type: prom_sky_con"},
		{"remote_write", oldFile(parts{"end": "remote_write:\n- url: x\n  uri: y\n  uri: z\n"}),
			"f:8: remote_write[0].url has no scheme or no host: write http://host:port/path or https://…\n" +
				"f:9: unknown key remote_write[0].uri: did you mean url?\n" +
				"f:10: remote_write[0].uri stands here and in line 9: remove one of them"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := parse("f", []byte(c.yaml))
			if err == nil {
				t.Fatal("no error")
			}
			if d := cmp.Diff(c.want, err.Error()); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if _, _, err := newReader("f", "", Process{}).convert([]byte(c.yaml)); err == nil || err.Error() != c.want {
				t.Errorf("Convert: %v", err)
			}
		})
	}
}
