// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/secrets"
)

// everyVariable sets each key of the old connector's file to something else than
// [oldFile] does.
func everyVariable() []string {
	return []string{
		"SKYDIVE_HOST_ID=netmon",
		"SKYDIVE_ANALYZERS=a:1 b:2",
		"SKYDIVE_ANALYZER_AUTH_CLUSTER_USERNAME=u",
		"SKYDIVE_ANALYZER_AUTH_CLUSTER_PASSWORD=pa55word=, x",
		"SKYDIVE_PIPELINE_SUBSCRIBER_URL=ws://a:1/ws/subscriber/flow",
		"SKYDIVE_PIPELINE_SUBSCRIBER_CAPTURE_ID=c",
		"SKYDIVE_PIPELINE_CLASSIFY_CLUSTER_NET_MASKS=10.0.0.0/8, 172.16.0.0/12",
		"SKYDIVE_PIPELINE_FILTER_EXCLUDED_TAGS=ingress,other",
		"SKYDIVE_PIPELINE_TRANSFORM_TYPE=none",
		"SKYDIVE_PIPELINE_STORE_TYPE=prom_sky_con",
		"SKYDIVE_PIPELINE_STORE_PROM_SKY_CON_PORT=9200",
		"SKYDIVE_PIPELINE_STORE_PROM_SKY_CON_CONNECTION_TIMEOUT=90",
	}
}

// ofEveryVariable is what they mean.
func ofEveryVariable() *Config {
	c := Default()
	c.Skydive.HostID, c.Skydive.Analyzers, c.Skydive.CaptureIDs = "netmon", []string{"ws://a:1/ws/subscriber/flow"}, []string{"c"}
	c.Skydive.BasicAuth = BasicAuth{Username: "u", Password: "pa55word=, x"}
	c.Topology.Analyzers = []string{"ws://a:1/ws/subscriber/flow", "ws://b:2/ws/subscriber/flow"}
	c.Aggregation.ClusterNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12")}
	c.Aggregation.ExcludeClasses = []string{"ingress", "other"}
	c.Aggregation.ConnectionTimeout, c.Web.ListenAddress = 90*time.Second, ":9200"
	return &c
}

const oneOfTwo = "environment: SKYDIVE_PIPELINE_SUBSCRIBER_URL names one analyzer, and 1 more stand in analyzers: agents spread their flows over all of them; remove the URL to read from all"

// TestVariablesWin proves that each variable of the old connector wins over its key of
// every kind of file, also over a key that is wrong, twice there, or in capitals.
func TestVariablesWin(t *testing.T) {
	site, _, _ := strings.Cut(string(sample(t, "prom_sky_con_site.yml")), "\n# added")
	wrong := "HOST_ID: [x]\nhost_id: {}\nanalyzers: 1\nanalyzer:\nPipeline:\n  subscriber: ''\n  transform: {type: x}\n  store: {type: y, prom_sky_con: {port: z, connection_timeout: z}}\n"
	for _, file := range []string{string(sample(t, "prom_sky_con.yml")), site, oldFile(nil), wrong, withoutFile} {
		got, warnings, err := parse("f", []byte(file), everyVariable()...)
		if err != nil {
			t.Errorf("%v\n%s", err, file)
			continue
		}
		if d := diff(ofEveryVariable(), got); d != "" {
			t.Errorf("(-want +got)\n%s\n%s", d, file)
		}
		for _, w := range texts(warnings) {
			if w != oneOfTwo && !strings.Contains(w, "is not read") && !strings.Contains(w, "has no effect") && !strings.Contains(w, "host_id stands here and in line 1") {
				t.Errorf("unexpected warning %s\n%s", w, file)
			}
		}
		for name, text := range shown(t, got) {
			if contains(text, "pa55word") {
				t.Errorf("%s shows the password", name)
			}
		}
		known := secrets.New()
		known.Pin(got.Secrets())
		if left := known.Hide("user u with pa55word=, x"); contains(left, "pa55word") {
			t.Errorf("the password is not known: %s", left)
		}
	}
}

// TestOldKeysHaveCases proves that [everyVariable] leaves out no key.
func TestOldKeysHaveCases(t *testing.T) {
	set := Process{Environ: everyVariable()}.variables()
	for _, k := range oldKeys(reflect.TypeFor[legacyFile](), "") {
		if _, ok := set[k.variable]; !ok && !k.dead() {
			t.Errorf("no case sets %s", k.variable)
		}
	}
}

// TestVariablesConvert proves that convert-config writes what the variables say.
func TestVariablesConvert(t *testing.T) {
	native, _, err := newReader("f", "", Process{Environ: everyVariable()}).convert([]byte(oldFile(nil)))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := parse("f", native)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(ofEveryVariable(), got); d != "" {
		t.Errorf("(-want +got)\n%s\n%s", d, native)
	}
}

// TestVariablesWarn proves which variables are reported, by name and without their
// values: those that mean nothing here, and all of them beside skybridge's own format.
func TestVariablesWarn(t *testing.T) {
	environ := []string{
		"SKYDIVE_PIPELINE_MANGLE_TYPE=pa55word", "SKYDIVE_LOGGING_LEVEL=DEBUG", "SKYDIVE_TLS_CA_CERT=x", "SKYDIVE_HOST_ID=", "SKYDIVE_PIPELINE_SUBSCRIBER_CAPTURE_ID= ",
		"SKYDIVE_ANALYZER_SERVICE_HOST=10.0.0.1", "SKYDIVE_ANALYZER_SERVICE_PORT_API=8082", "SKYDIVE_ANALYZER_PORT=tcp://10.0.0.1:8082", "SKYDIVE_ANALYZER_PORT_8082_TCP_ADDR=10.0.0.1",
		"SKYDIVE_PIPELINE_SERVICE_HOST=10.0.0.2", "SKYDIVE_PIPELINE_PORT_9100_TCP=x", "SKYDIVE_LOGGING_PORT=x", "SKYDIVE_ETCD_LISTEN=x", "HOST_ID=x", "SKYDIVE",
	}
	for _, c := range []struct {
		file    string
		environ []string
		want    []string
	}{
		{oldFile(nil), environ, []string{
			"environment: SKYDIVE_LOGGING_LEVEL has no effect: use the flags --log.level and --log.format",
			"environment: SKYDIVE_PIPELINE_MANGLE_TYPE is not read: skybridge has no use for it",
			"environment: SKYDIVE_TLS_CA_CERT has no effect: make a skybridge.yml with skybridge convert-config and set skydive.tls_config there",
		}},
		{minimal, environ, nil},
		{minimal, append(environ, "SKYDIVE_HOST_ID=x", "SKYDIVE_ANALYZER_AUTH_CLUSTER_PASSWORD=pa55word"), []string{
			"environment: SKYDIVE_HOST_ID, SKYDIVE_ANALYZER_AUTH_CLUSTER_PASSWORD: not read, for they replace keys of the old connector's file only; set the keys in f",
		}},
	} {
		got, warnings, err := parse("f", []byte(c.file), c.environ...)
		if err != nil {
			t.Fatal(err)
		}
		want := base()
		if d := diff(&want, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if d := cmp.Diff(c.want, texts(warnings)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
}

// TestVariablesErrors proves that errors in variables name the variable, what is wrong
// and what to do.
func TestVariablesErrors(t *testing.T) {
	for variable, want := range map[string]string{
		"SKYDIVE_PIPELINE_SUBSCRIBER_URL=http://a":                     "environment: SKYDIVE_PIPELINE_SUBSCRIBER_URL must begin with ws:// or wss://: write ws://host:8082, or wss:// where the analyzer has TLS",
		"SKYDIVE_ANALYZERS=a:1,b":                                      "environment: SKYDIVE_ANALYZERS[1] needs host and port: write ws://host:8082, or wss:// where the analyzer has TLS; an IPv6 address stands in [ ]",
		"SKYDIVE_ANALYZERS=ws://u:pa55word@a":                          "environment: SKYDIVE_ANALYZERS[0] contains credentials: remove them from the URL and use analyzer.auth.cluster",
		"SKYDIVE_PIPELINE_STORE_PROM_SKY_CON_PORT=tcp://10.0.0.1:9100": `environment: SKYDIVE_PIPELINE_STORE_PROM_SKY_CON_PORT is "tcp://10.0.0.1:9100": write a port from 1 to 65535; for an address use the flag --web.listen-address`,
		"SKYDIVE_PIPELINE_STORE_PROM_SKY_CON_CONNECTION_TIMEOUT=soon":  `environment: SKYDIVE_PIPELINE_STORE_PROM_SKY_CON_CONNECTION_TIMEOUT is "soon": write whole seconds, such as 60, up to 31536000`,
		"SKYDIVE_PIPELINE_CLASSIFY_CLUSTER_NET_MASKS=10.0.0.0/8 1":     `environment: SKYDIVE_PIPELINE_CLASSIFY_CLUSTER_NET_MASKS[1] is "1", which is no network: write address/bits, such as 10.0.0.0/8 or fd00::/8`,
		"SKYDIVE_PIPELINE_STORE_TYPE=s3":                               `environment: SKYDIVE_PIPELINE_STORE_TYPE is "s3", it must be prom_sky_con: skybridge replaces the Prometheus connector only; run other exporters as before`,
		"SKYDIVE_HOST_ID=\n":                                           "",
		"SKYDIVE_HOST_ID=a\xff":                                        "environment: SKYDIVE_HOST_ID is not valid UTF-8: write it as UTF-8",
		"SKYDIVE_HOST_ID=a\nb":                                         "environment: SKYDIVE_HOST_ID is too long or has characters that cannot be printed: choose a short name",
	} {
		_, _, err := parse("f", []byte(oldFile(nil)), variable)
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", variable, err, want)
		}
	}
}

// TestVariablesWithoutFile proves that variables which name the feed are enough where the
// file does not exist and no flag names it; and that otherwise a file that is missing is an
// error.
func TestVariablesWithoutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "skybridge.yml")
	missing := path + ": cannot open the file (no such file or directory): check the name of the configuration file"
	for _, c := range []struct {
		variable string
		optional bool
		want     string // error
	}{
		{"SKYDIVE_PIPELINE_SUBSCRIBER_URL=127.0.0.1:8082", true, ""},
		{"SKYDIVE_ANALYZERS=127.0.0.1:8082", true, ""},
		{"SKYDIVE_ANALYZERS=127.0.0.1:8082", false, missing},
		{"SKYDIVE_ANALYZERS= ", true, missing},
		{"SKYDIVE_ANALYZERS=,", true, missing},
		{"SKYDIVE_HOST_ID=x", true, missing},
	} {
		got, warnings, err := Load(path, Process{Environ: []string{c.variable}, Optional: c.optional})
		if c.want != "" {
			if err == nil || err.Error() != c.want {
				t.Errorf("%s: %v", c.variable, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.variable, err)
			continue
		}
		want := base()
		if d := diff(&want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.variable, d)
		}
		if d := cmp.Diff([]string{"environment: " + path + " does not exist: variables SKYDIVE_… are the whole configuration"}, texts(warnings)); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.variable, d)
		}
	}
	write(t, filepath.Dir(path), "skybridge.yml", "a: b\n")
	if _, _, err := Load(path, Process{Environ: everyVariable(), Optional: true}); err == nil || !strings.Contains(err.Error(), ":1: unknown key a") {
		t.Errorf("an invalid file beside variables: %v", err)
	}
}

// TestExternalLabelsHaveVariables proves that external labels are expanded as Prometheus
// expands them, that what is not set is reported, and that the result is checked.
func TestExternalLabelsHaveVariables(t *testing.T) {
	file := under("global", `external_labels: {a: '$SITE', b: 'x-${SITE}-$${SITE}', c: '$NONE', d: 'x${EMPTY}', e: 'cost $$5', f: '$SKYDIVE_HOST_ID'}`)
	got, warnings, err := parse("f", []byte(file), "SITE=berlin$1", "EMPTY=", "SKYDIVE_HOST_ID=h")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "berlin$1", "b": "x-berlin$1-${SITE}", "d": "x", "e": "cost $5", "f": "h"}
	if d := cmp.Diff(want, got.Global.ExternalLabels); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff([]string{
		"environment: SKYDIVE_HOST_ID: not read, for they replace keys of the old connector's file only; set the keys in f",
		"f:3: global.external_labels.c has the variable NONE, which is not set or empty: it is replaced by nothing",
		"f:3: global.external_labels.d has the variable EMPTY, which is not set or empty: it is replaced by nothing",
	}, texts(warnings)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	checkWritten(t, got)
	for value, want := range map[string]string{
		strings.Repeat("x", 2049): "f:3: global.external_labels.a has 2049 bytes: write at most 2048; receivers refuse more",
		"\xff":                    "f:3: global.external_labels.a is not valid UTF-8: write it as UTF-8",
	} {
		if _, _, err = parse("f", []byte(under("global", "external_labels: {a: $A}")), "A="+value); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
