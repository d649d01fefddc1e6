//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package real

import (
	"os/exec"
	"testing"
)

// TestPromtool: Debian's promtool, older than the Go module that the other tests use,
// takes the rules and the scrape configuration as they are deployed.
func TestPromtool(t *testing.T) {
	for _, args := range [][]string{
		{"check", "rules", "../../deploy/prometheus/skybridge-alerts.yml", "../../deploy/prometheus/skybridge-recording.yml"},
		{"check", "config", "../../deploy/prometheus/scrape.yml"},
	} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}
