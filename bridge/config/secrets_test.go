// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/secrets"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// everySecret has a secret in each place that can hold one.
const everySecret = `
skydive:
  analyzers: ['ws://127.0.0.1:8082/?x=pa55word']
  basic_auth: {username: u, password: pa55word}
  headers: {X-Key: pa55word}
  tls_config: {cert: C, key: pa55word}
  proxy_url: http://u:pa55word@p:1
  http_headers: {Cookie: {secrets: [pa55word]}, X-Other: {secrets: [pa55word]}}
remote_write:
- url: http://r/api/v1/write?token=pa55word
  headers: {X-Key: pa55word}
  basic_auth: {username: u, password: pa55word}
  tls_config: {cert: C, key: pa55word}
  proxy_url: http://u:pa55word@p:1
  proxy_connect_header: {X-Key: [pa55word]}
  http_headers: {X-Other: {secrets: [pa55word]}}
- url: http://r/2/api/v1/write
  authorization: {credentials: pa55word}
- url: http://r/3/api/v1/write
  bearer_token: pa55word
- url: http://r/4/api/v1/write
  oauth2: {client_id: c, client_secret: pa55word, token_url: 'http://t/?k=pa55word', endpoint_params: {password: pa55word}, proxy_url: 'http://u:pa55word@p:1', tls_config: {cert: C, key: pa55word}}
- url: http://r/5/api/v1/write
  oauth2: {client_id: c, client_certificate_key: pa55word, grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", token_url: http://t}
`

// shown returns all ways in which a configuration can get into a log.
func shown(t testing.TB, c *Config) map[string]string {
	t.Helper()
	out := map[string]string{"Summary": string(c.Summary()), "Redacted": string(c.Redacted())}
	values := map[string]any{"*Config": c, "Config": *c, "Skydive": c.Skydive, "*Skydive": &c.Skydive,
		"BasicAuth": c.Skydive.BasicAuth, "*BasicAuth": &c.Skydive.BasicAuth, "[]RemoteWrite": c.RemoteWrite}
	for i := range c.RemoteWrite {
		values["RemoteWrite"], values["*RemoteWrite"] = c.RemoteWrite[i], &c.RemoteWrite[i]
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			out[name+" "+verb] = fmt.Sprintf(verb, v)
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out[name+" JSON"] = string(data)
		if data, err = yaml.Marshal(v); err != nil {
			t.Fatal(err)
		}
		out[name+" YAML"] = string(data)
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "config", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "config", v, slog.Group("g", "config", v))
		out[name+" slog"] = b.String()
	}
	return out
}

// TestSecretsAreNotShown proves that no secret gets out by printing.
func TestSecretsAreNotShown(t *testing.T) {
	c, warnings, err := parse("f", []byte(everySecret))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.RemoteWrite) != 5 || len(warnings) != 0 {
		t.Fatalf("the sample is not read as meant: %v", warnings)
	}
	for name, text := range shown(t, c) {
		if contains(text, "pa55word") {
			t.Errorf("%s shows a secret:\n%s", name, text)
		}
	}
	if got := string(c.Redacted()); strings.Count(got, masked) != 16 {
		t.Errorf("%d masks, want 16:\n%s", strings.Count(got, masked), got)
	}
}

// TestSecretsAreKnown proves that each of them is found, but for private keys,
// which no peer receives.
func TestSecretsAreKnown(t *testing.T) {
	n := 0
	text := regexp.MustCompile(`pa55word`).ReplaceAllStringFunc(regexp.MustCompile(`key: pa55word`).ReplaceAllString(everySecret, "key: k"), func(string) string {
		n++
		return fmt.Sprintf("pa55word-%02d", n)
	})
	c, _, err := parse("f", []byte(text))
	if err != nil || n != 18 {
		t.Fatal(n, err)
	}
	known := secrets.New()
	known.Pin(c.Secrets())
	if left := known.Hide(text); contains(left, "pa55word-") {
		t.Errorf("not every secret is known:\n%s", left)
	}
}

// TestRedactedGolden proves what a status page shows of a site's file.
func TestRedactedGolden(t *testing.T) {
	c, _, err := parse("full.yml", sample(t, "full.yml"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "full.redacted.golden", string(c.Redacted()))
}

// TestSummaryGolden proves what check-config shows.
func TestSummaryGolden(t *testing.T) {
	for _, name := range []string{"full", "prom_sky_con", "prom_sky_con_site"} {
		c, _, err := parse(name+".yml", sample(t, name+".yml"))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".summary.golden", string(c.Summary()))
	}
}
