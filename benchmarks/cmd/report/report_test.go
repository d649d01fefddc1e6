// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/leaks"
)

// TestMain lets this binary be its own worker.
func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		os.Exit(workerMain())
	}
	leaks.Main(m, nil)
}

// vmagentProgram is vmagent's where Debian's parts are, and there with build tag real.
var vmagentProgram string

// TestEveryRow measures each row at a tiny size. The rows fail by themselves where a side
// did not count what it was sent; here it is seen that the numbers are numbers.
func TestEveryRow(t *testing.T) {
	bridge := filepath.Join(t.TempDir(), "skybridge")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../../..", "-o", bridge, "./cmd/skybridge")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	number := regexp.MustCompile(`^[0-9][0-9,]*(\.[0-9]+)?`)
	for row, lines := range map[string]int{"ingest": 1, "memory": 3, "push": 4 + len(vmagentProgram)/len("vmagent")} {
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			r := &report{
				sizes: sizes{
					repeats:           1,
					ingestConnections: 500, ingestRounds: 3,
					memoryConnections: 1000, oldConnections: 500, memoryFor: 4 * time.Second,
					pushConnections: []int{1000}, pushTicks: []int{2}, pushInterval: []time.Duration{time.Second},
				},
				rows: []string{row}, quick: true, bridge: bridge, vmagent: vmagentProgram, dir: t.TempDir(), progress: t.Output(),
			}
			text, err := r.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, table, _ := strings.Cut(text, tableHead)
			got := 0
			for l := range strings.Lines(table) {
				if !strings.HasPrefix(l, "| ") {
					continue
				}
				got++
				cells := strings.Split(strings.Trim(l, "| \n"), " | ")
				if len(cells) != 6 {
					t.Fatalf("%d cells: %s", len(cells), l)
				}
				ours, err := strconv.ParseFloat(strings.ReplaceAll(number.FindString(cells[1]), ",", ""), 64)
				if err != nil || strings.Contains(l, "NaN") || strings.Contains(l, "Inf") {
					t.Errorf("no sane number: %s", l)
				}
				if strings.HasPrefix(l, "| wire") && (ours < 10 || ours > 60) {
					t.Errorf("a sample has at least 16 bytes, and shares most of its labels: %s", l)
				}
			}
			if got != lines {
				t.Errorf("%d lines, want %d:\n%s", got, lines, text)
			}
		})
	}
}
