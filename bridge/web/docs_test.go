// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"os"
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
	dir, _ := certificate(t)
	dir = regexp.MustCompile(`\S+/`).FindString(dir)
	if err := os.Link(dir+"web.crt", dir+"clients-ca.crt"); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages {
		for _, block := range page.Blocks("yaml") {
			if !regexp.MustCompile(`(?m)^(tls_server_config|basic_auth_users|rate_limit|http_server_config):`).MatchString(block.Text) {
				continue
			}
			found++
			if err := toolkit.Validate(webFile(t, dir, block.Text)); err != nil {
				t.Errorf("%s: %v in\n%s", page.Path, err, block.Text)
			}
		}
	}
	if found < 2 {
		t.Errorf("only %d examples were found", found)
	}
}
