// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/docs"
)

// TestExamplesOfTheDocs reads every configuration that the docs show, as check-config
// does. The first one of the reference shows the defaults.
func TestExamplesOfTheDocs(t *testing.T) {
	pages, err := docs.Pages("../..")
	if err != nil {
		t.Fatal(err)
	}
	found, legacy := 0, 0
	for _, page := range pages {
		for _, block := range page.Blocks("yaml") {
			file, example := page.Path, block.Text
			if !regexp.MustCompile(`(?m)^(skydive|pipeline):`).MatchString(example) {
				continue // Skydive's or Prometheus' own file: internal/docs
			}
			if strings.Contains(example, "pipeline:") {
				legacy++
			}
			found++
			cfg, warnings, err := Parse(file, []byte(example))
			if err != nil || len(warnings) > 0 {
				t.Errorf("%v %v\n%s", err, warnings, example)
				continue
			}
			if strings.Contains(example, "silence_timeout: auto") {
				want := Default()
				want.Skydive.Analyzers = cfg.Skydive.Analyzers
				want.RemoteWrite = []RemoteWrite{DefaultRemoteWrite("http://127.0.0.1:9090/api/v1/write")}
				if diff := cmp.Diff(string(want.Redacted()), string(cfg.Redacted())); diff != "" {
					t.Errorf("the defaults in the reference are others (-want +got):\n%s", diff)
				}
			}
		}
	}
	if found < 24 || legacy == 0 {
		t.Errorf("%d examples found in the docs, %d of them of the old connector's file; want 24 at least, and one", found, legacy)
	}
}
