// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is one run.
type report struct {
	sizes    sizes
	rows     []string // empty: all
	quick    bool
	bridge   string // binary
	vmagent  string // binary; empty: leave it out
	dir      string
	progress io.Writer
	args     []string
}

// sizes are how much of everything a run measures with.
type sizes struct {
	repeats int
	// ingestConnections report ingestRounds times, after a first report that makes them
	// known.
	ingestConnections, ingestRounds int
	// memoryConnections are live for memoryFor with everything on; oldConnections in
	// the old connector, which would not fit otherwise.
	memoryConnections, oldConnections int
	memoryFor                         time.Duration
	// pushTicks of pushConnections are measured, a tick each pushInterval.
	pushConnections, pushTicks []int
	pushInterval               []time.Duration
}

// fullSizes are those of the bars.
func fullSizes() sizes {
	return sizes{
		ingestConnections: 100_000, ingestRounds: 10,
		memoryConnections: 1_000_000, oldConnections: 100_000, memoryFor: 150 * time.Second,
		pushConnections: []int{20_000, 100_000}, pushTicks: []int{20, 6}, pushInterval: []time.Duration{time.Second, 4 * time.Second},
	}
}

// quickSizes are for a look while something is changed.
func quickSizes() sizes {
	return sizes{
		ingestConnections: 20_000, ingestRounds: 10,
		memoryConnections: 100_000, oldConnections: 20_000, memoryFor: 40 * time.Second,
		pushConnections: []int{20_000}, pushTicks: []int{8}, pushInterval: []time.Duration{time.Second},
	}
}

// measurement is a row of the plan.
type measurement struct {
	name    string
	measure func(*report, context.Context) ([]line, error)
}

func measurements() []measurement {
	return []measurement{{"ingest", (*report).ingest}, {"memory", (*report).memory}, {"push", (*report).push}}
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
		if failed != nil || len(r.rows) > 0 && !slices.Contains(r.rows, m.name) {
			continue
		}
		lines, err := m.measure(r, ctx)
		if err != nil {
			failed = fmt.Errorf("row %s: %w", m.name, err)
		}
		for _, l := range lines {
			text.WriteString(l.String())
			r.say("%s", strings.TrimSpace(l.String()))
		}
	}
	fmt.Fprintf(&text, "\nThe run took %s.\n", time.Since(began).Round(time.Second))
	return text.String(), failed
}

// heading says when, where and by what command the report was made. It names no host.
func (r *report) heading(now time.Time) string {
	load, _ := os.ReadFile("/proc/loadavg")
	loads := append(strings.Fields(string(load)), "?", "?", "?")
	heading := fmt.Sprintf(`Measured on %s: %s, %d cores, %s on Linux, %s.
Command: %s. The sides of a row took turns, %d each; the median is shown.
Load of the machine before the run (1, 5, 15 minutes): %s.
`, now.UTC().Format("2 January 2006"), field("/proc/cpuinfo", "model name"), runtime.NumCPU(), runtime.Version(), runtime.GOARCH,
		"`"+command(r.args)+"`", r.sizes.repeats, strings.Join(loads[:3], ", "))
	if r.quick {
		heading += "**This is a quick run with small sizes: do not publish its numbers.**\n"
	}
	return heading + "\n"
}

// command is how make was called: arguments without the places that it fills in.
func command(args []string) string {
	shown := slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return slices.Contains([]string{"skybridge", "vmagent", "dir"}, name)
	})
	if len(shown) == 0 {
		return "make bench-report"
	}
	return fmt.Sprintf("make bench-report FLAGS=%q", strings.Join(shown, " "))
}

// say reports how far the run is.
func (r *report) say(format string, args ...any) { fmt.Fprintf(r.progress, format+"\n", args...) }

// values are what was measured, by name.
type values map[string]float64

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
