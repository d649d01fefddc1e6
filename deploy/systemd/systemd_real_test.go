//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestExposure holds the sandbox to what systemd thinks of it: at most 1.5, where 10
// is none. (The directives are judged, not tried: no systemd runs here.)
func TestExposure(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", "skybridge.service").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	_, level, found := strings.Cut(string(out), "Overall exposure level for skybridge.service: ")
	if !found {
		t.Fatalf("no verdict:\n%s", out)
	}
	t.Logf("exposure level %s", level[:3])
}

// TestVerify lets systemd read the units in a root of their own, where what they
// refer to is: nothing is said about them.
func TestVerify(t *testing.T) {
	root := t.TempDir()
	units := filepath.Join(root, "usr/lib/systemd/system")
	// The targets that the units name, as Debian has them.
	for _, dir := range []string{units, filepath.Join(root, "usr/bin"), filepath.Join(root, "etc")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	targets, err := filepath.Glob("/lib/systemd/system/*.target")
	if err != nil || len(targets) == 0 {
		t.Fatalf("no targets of systemd: %v", err)
	}
	for _, from := range append(targets, "skybridge.service", "skybridge.socket") {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(units, filepath.Base(from)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, binary := range []string{"skybridge", "sh"} {
		if err := os.WriteFile(filepath.Join(root, "usr/bin", binary), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("usr/bin", filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	// The manual page is looked for in the package's tests.
	out, err := exec.Command("systemd-analyze", "--root="+root, "--man=no", "verify", "skybridge.service", "skybridge.socket").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
