// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// report is one run.
type report struct {
	sizes  sizes
	rows   []string // empty: all
	quick  bool
	bridge string // binary
	dir    string
	// recordings is where those of a real analyzer lie.
	recordings string
	progress   io.Writer
	args       []string

	// profiled, where not empty, is what the profiles of a push are called.
	profiled string

	pushed map[string][]values // what the rows push and wire share, by side
}

// measurement is a row of the plan.
type measurement struct {
	name    string
	measure func(*report, context.Context) ([]line, error)
}

func measurements() []measurement {
	return []measurement{
		{"decode", (*report).decode},
		{"ingest", (*report).ingest},
		{"memory", (*report).memory},
		{"scrape", (*report).scrape},
		{"push", (*report).push},
		{"wire", (*report).wire},
		{"far", (*report).far},
		{"churn", (*report).churn},
		{"growth", (*report).growth},
	}
}

func rowNames() (names []string) {
	for _, m := range measurements() {
		names = append(names, m.name)
	}
	return names
}

// run measures and returns the report as markdown. What was measured before an error is
// in it.
func (r *report) run(ctx context.Context) (string, error) {
	began := time.Now()
	var text strings.Builder
	text.WriteString(r.heading(began))
	text.WriteString(tableHead)
	var failed error
	for _, m := range measurements() {
		if len(r.rows) > 0 && !slices.Contains(r.rows, m.name) {
			continue
		}
		at := time.Now()
		lines, err := m.measure(r, ctx)
		if err != nil {
			failed = fmt.Errorf("row %s: %w", m.name, err)
			break
		}
		for _, l := range lines {
			text.WriteString(l.String())
			r.say("%s", strings.TrimSpace(l.String()))
		}
		r.say("row %s took %s", m.name, time.Since(at).Round(time.Second))
	}
	fmt.Fprintf(&text, "\nThe run took %s.\n", time.Since(began).Round(time.Second))
	return text.String(), failed
}

// say tells whoever waits how far the run is.
func (r *report) say(format string, args ...any) {
	fmt.Fprintf(r.progress, format+"\n", args...)
}

// disk returns a new directory on the disk to measure with, and what removes it.
func (r *report) disk() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp(r.dir, "skybridge-report-")
	if err != nil {
		return "", nil, fmt.Errorf("make a directory to measure with: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// turns lets several sides take turns, and returns what each measured.
func (r *report) turns(sides ...func() (values, error)) ([][]values, error) {
	out := make([][]values, len(sides))
	for range r.sizes.repeats {
		for i, side := range sides {
			v, err := side()
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], v)
		}
	}
	return out, nil
}

// values are what a side measured, by name.
type values map[string]float64

// median is that of one of several measurements' values.
func median(all []values, name string) float64 {
	numbers := make([]float64, 0, len(all))
	for _, v := range all {
		numbers = append(numbers, v[name])
	}
	slices.Sort(numbers)
	n := len(numbers)
	return (numbers[(n-1)/2] + numbers[n/2]) / 2
}

// largest is the largest of them.
func largest(all []values, name string) float64 {
	out := all[0][name]
	for _, v := range all {
		out = max(out, v[name])
	}
	return out
}
