// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// checkConvert fails unless the conversion of old means want.
func checkConvert(t interface {
	Helper()
	Fatalf(string, ...any)
}, old []byte, want *Config) {
	t.Helper()
	native, _, err := newReader("f", "", Process{}).convert(old)
	if err != nil {
		t.Fatalf("convert: %v", err)
	}
	got, warnings, err := parse("f", native)
	if err != nil {
		t.Fatalf("the converted file is refused: %v\n%s", err, native)
	}
	if d := diff(want, got); d != "" {
		t.Fatalf("the converted file means something else (-want +got)\n%s\n%s", d, native)
	}
	for _, w := range warnings {
		if strings.Contains(w.Text, "is not read") {
			t.Fatalf("the converted file has keys that are not read: %v", w)
		}
	}
}

// TestConvertGolden proves what a user sees of a conversion.
func TestConvertGolden(t *testing.T) {
	for _, name := range []string{"prom_sky_con", "prom_sky_con_site"} {
		data := sample(t, name+".yml")
		native, warnings, err := newReader("etc/"+name+".yml", "", Process{}).convert(data)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".converted.golden", string(native))
		golden(t, name+".warnings.golden", strings.Join(texts(warnings), "\n"))
		want, _, err := parse("f", data)
		if err != nil {
			t.Fatal(err)
		}
		checkConvert(t, data, want)
	}
}

// TestConvertNative proves that a native file, sound or not, is recognized.
func TestConvertNative(t *testing.T) {
	for _, yaml := range []string{minimal, "web: {}\n"} {
		if _, _, err := newReader("f", "", Process{}).convert([]byte(yaml)); err == nil ||
			err.Error() != "f: this is not a prom_sky_con.yml: it has no key pipeline: it needs no conversion; check it with skybridge check-config" {
			t.Errorf("%q: %v", yaml, err)
		}
	}
	if _, _, err := newReader("f", "", Process{}).convert(nil); err == nil || !strings.Contains(err.Error(), "the file is empty") {
		t.Errorf("empty: %v", err)
	}
}

// TestConvertName proves that a hostile file name cannot add a line.
func TestConvertName(t *testing.T) {
	native, _, err := newReader("a\nskydive: {}\n.yml", "", Process{}).convert([]byte(oldFile(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(string(native), "\n"); first != "# Made of a?skydive: {}?.yml by skybridge convert-config. Every other key has its default." {
		t.Error(first)
	}
}

// TestConvertProperty proves for random old files that their conversion means
// the same.
func TestConvertProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old := drawOldFile(t)
		want, _, err := parse("f", []byte(old))
		if err != nil {
			t.Fatalf("%v\n%s", err, old)
		}
		checkConvert(t, []byte(old), want)
	})
}

// drawOldFile returns a prom_sky_con.yml that is valid, in one of many
// spellings.
func drawOldFile(t *rapid.T) string {
	word := rapid.StringMatching(`[a-zA-Z0-9 _.:#'"{}!@\\-]{1,12}`)
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	text := func(name string) string { return fmt.Sprintf("%q", word.Draw(t, name)) }
	number := func(name string, low, high int) string {
		n := rapid.IntRange(low, high).Draw(t, name)
		return pick(name+" form", fmt.Sprint(n), fmt.Sprintf("%q", fmt.Sprint(n)), fmt.Sprintf("'%d'", n))
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("host_id: %s", pick("host", "", `""`, "12", "0x1F", "true", "node-1", text("host text")))
	analyzers := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a:1", "8082", `":8083"`, `"[::1]:8082"`, "B.example:9"}), 1, 4, rapid.ID).Draw(t, "analyzers")
	line("%s: [%s]", pick("analyzers key", "analyzers", "Analyzers"), strings.Join(analyzers, ", "))
	if rapid.Bool().Draw(t, "auth") {
		user := strings.NewReplacer(":", "", `\`, "").Replace(word.Draw(t, "user")) + "x"
		line("analyzer:\n  auth:\n    cluster:\n      username: %q\n      password: %s", user, pick("password", "", "0123", "yes", text("password text")))
	}
	line("pipeline:")
	line("  subscriber:\n    url: %s\n    capture_id: %s", pick("url", "", `""`, "ws://a:1/ws/subscriber/flow", "wss://b", "WS://C:1/x/y?z=1"), pick("capture", "", `""`, "1e5", "4b1a-9d1c", "007"))
	line("  classify:\n    cluster_net_masks: %s", pick("masks", "", "[]", "[10.0.0.0/8]", "10.0.0.0/8 172.16.0.1/12", "[fd00::/8, '::ffff:10.0.0.0/104', 0.0.0.0/0]"))
	line("  filter:\n    excluded_tags: %s", pick("tags", "", "[]", "[internal]", "other ingress", "[egress, nonsense, other]"))
	line("  transform: {type: none}")
	line("  store:\n    type: prom_sky_con\n    prom_sky_con:\n      port: %s\n      connection_timeout: %s",
		pick("port", "", number("port number", 1, 65535)), pick("timeout", "", "90s", "1.9", number("timeout number", 0, 31_536_000)))
	if rapid.Bool().Draw(t, "push") {
		line("remote_write: # where to")
		for i := range rapid.IntRange(1, 3).Draw(t, "endpoints") {
			line("# endpoint %d\n- name: %d\n  url: http://r/api/v1/write # %s", i, i, text("comment"))
			line("  headers: {X-Tenant: %s}", text("tenant"))
			line("  %s", pick("auth", "basic_auth: {username: u, password: "+text("secret")+"}", "authorization: {credentials_file: f/g}",
				"bearer_token: "+text("token"), "tls_config:\n    ca: |\n      a\n       b", "follow_redirects: false # no",
				"oauth2:\n    client_id: &id a\n    client_secret: *id\n    token_url: http://t", "enable_http2: false\n  tls_config: {ca: \"a\\nb\"}"))
		}
	}
	return b.String()
}
