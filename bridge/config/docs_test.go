// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExamplesOfTheDocs reads every configuration that the docs show. The first
// one of the reference shows the defaults.
func TestExamplesOfTheDocs(t *testing.T) {
	found := 0
	for _, file := range []string{"../../README.md", "../../docs/reference/configuration.md", "../../docs/how-to/receivers.md", "../../docs/how-to/labels.md", "../../docs/how-to/cardinality.md", "../../docs/how-to/names.md", "../../docs/how-to/observers.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)(?:```yaml\n|<<'YAML'\n)(.*?)(?:```|YAML\n)").FindAllSubmatch(text, -1) {
			example := string(block[1])
			if !strings.Contains(example, "\nskydive:") && !strings.HasPrefix(example, "skydive:") {
				continue // Skydive's or Prometheus' own file
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
	if found < 14 {
		t.Errorf("%d examples found in the docs, want 14 at least", found)
	}
}
