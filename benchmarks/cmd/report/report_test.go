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
		os.Exit(workerMain(os.Stdin, os.Stdout, os.Stderr))
	}
	leaks.Main(m, nil)
}

// tinySizes are enough to see that a row measures what it says.
func tinySizes() sizes {
	return sizes{
		repeats:           1,
		decodeFlows:       1000,
		ingestConnections: 500, ingestRounds: 3,
		memoryConnections: 1000, oldConnections: 500, retained: 20_000, memoryFor: 4 * time.Second,
		scrapeConnections: 500, scrapes: 2,
		pushConnections: 1000, pushTicks: 2, pushWarm: 2, pushInterval: time.Second,
		farConnections: 400, farBacklog: 2, farSteady: 2 * time.Second,
		churnConnections: 100, churnHours: 2,
		growth: []int{100, 200},
	}
}

// lines is how many each row has.
var lines = map[string]int{"decode": 2, "ingest": 1, "memory": 4, "scrape": 4, "push": 2, "wire": 2, "far": 2, "churn": 1, "growth": 5}

// TestEveryRow measures each row at a tiny size. Workers fail by themselves where they
// did not count what they were sent; here it is seen that the numbers are numbers.
func TestEveryRow(t *testing.T) {
	bridge := filepath.Join(t.TempDir(), "skybridge")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../../..", "-o", bridge, "./cmd/skybridge")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	number := regexp.MustCompile(`^-?[0-9][0-9,]*(\.[0-9]+)?`)
	for _, row := range rowNames() {
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			r := &report{
				sizes: tinySizes(), rows: []string{row}, quick: true, bridge: bridge, dir: t.TempDir(),
				recordings: "../../../bridge/skydive/testdata", progress: t.Output(),
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
				// Parts are what is left of a time without another's: of so little work,
				// that can be less than nothing.
				part := strings.HasPrefix(l, "| growth: of it ")
				if err != nil || ours < 0 && !part || strings.Contains(l, "NaN") || strings.Contains(l, "Inf") {
					t.Errorf("no sane number: %s", l)
				}
				if row == "decode" && !strings.Contains(cells[1], " 0.00 allocations") {
					t.Errorf("decoding allocates: %s", l)
				}
				if row == "wire" && (ours < 10 || ours > 60) {
					t.Errorf("a sample has at least 16 bytes, and shares most of its labels: %s", l)
				}
			}
			if got != lines[row] {
				t.Errorf("%d lines, want %d:\n%s", got, lines[row], text)
			}
		})
	}
}

// TestProfile sees that each profile is there and can be read.
func TestProfile(t *testing.T) {
	t.Parallel()
	r := &report{sizes: tinySizes(), dir: t.TempDir(), progress: t.Output()}
	dir := filepath.Join(t.TempDir(), "profiles")
	var out strings.Builder
	if err := r.profile(t.Context(), dir, &out); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"ingest", "push2", "push1"} {
		for _, kind := range []string{"cpu", "heap"} {
			if !strings.Contains(out.String(), "== "+path+", "+kind) {
				t.Errorf("no %s profile of %s:\n%s", kind, path, out.String())
			}
			if info, err := os.Stat(filepath.Join(dir, path+"."+kind+".pprof")); err != nil || info.Size() == 0 {
				t.Errorf("%s, %s: %v", path, kind, err)
			}
		}
	}
}
