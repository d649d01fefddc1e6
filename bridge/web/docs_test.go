// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/skydive-project/skybridge/internal/docs"
)

// TestExamplesOfTheDocs: what the docs show as a file for --web.config.file is one.
func TestExamplesOfTheDocs(t *testing.T) {
	pages, err := docs.Pages("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate(t, dir)
	ca, err := os.ReadFile(filepath.Join(dir, "web.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "clients-ca.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages {
		for _, block := range page.Blocks("yaml") {
			if !regexp.MustCompile(`(?m)^(tls_server_config|basic_auth_users|rate_limit|http_server_config):`).MatchString(block.Text) {
				continue
			}
			found++
			path := filepath.Join(dir, "web.yml")
			if err := os.WriteFile(path, []byte(block.Text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := toolkit.Validate(path); err != nil {
				t.Errorf("%s: %v in\n%s", page.Path, err, block.Text)
			}
		}
	}
	if found < 2 {
		t.Errorf("only %d examples were found", found)
	}
}
