// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// TestMakefile proves that the recipe of every target is what a shell reads, with the
// variables that docs name and without them.
func TestMakefile(t *testing.T) {
	text, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllSubmatch(text, -1)
	if len(targets) < 10 {
		t.Fatalf("only %d targets were found", len(targets))
	}
	for _, m := range targets {
		for _, variable := range []string{"OUT=", "OUT=page.md"} {
			recipe, err := exec.Command("make", "-C", root, "--no-print-directory", "-n", string(m[1]), variable).Output()
			if err != nil {
				t.Fatalf("make -n %s %s: %v", m[1], variable, err)
			}
			shell := exec.Command("sh", "-n")
			shell.Stdin = bytes.NewReader(recipe)
			if said, err := shell.CombinedOutput(); err != nil {
				t.Errorf("make %s %s: %v: %s", m[1], variable, err, said)
			}
		}
	}
}
