//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package real

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPromtool: Debian's promtool, older than the Go module that the other tests use,
// takes the rules and the scrape configuration as they are deployed, and the rules do
// what their tests in deploy/prometheus/tests say.
func TestPromtool(t *testing.T) {
	tests, err := filepath.Glob("../../deploy/prometheus/tests/*.yml")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no tests of rules: %v", err)
	}
	for _, args := range [][]string{
		{"check", "rules", "../../deploy/prometheus/skybridge-alerts.yml", "../../deploy/prometheus/skybridge-recording.yml"},
		{"check", "config", "../../deploy/prometheus/scrape.yml"},
		append([]string{"test", "rules"}, tests...),
	} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}
