// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Command report measures skybridge beside what it replaces and what it competes
// with, in one run on one machine, and prints a markdown table of the bars that the
// project has set itself. docs/reference/sizing.md says what each row is.
//
// Whatever is measured runs in a process of its own: this program again, as a worker
// (worker.go), or the bridge as it is shipped. The feed, the receivers and the
// network between are this process, whose CPU time and memory count for nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if os.Getenv(workerVariable) != "" {
		os.Exit(workerMain(os.Stdin, os.Stdout, os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// run measures what the command line asks for.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rows := flags.String("rows", "", "measure only these rows, with commas between: "+strings.Join(rowNames(), ", "))
	quick := flags.Bool("quick", false, "smaller sizes: an answer in a few minutes, and not the one to publish")
	repeats := flags.Int("repeats", 3, "how often the two sides of a row take turns; the median counts")
	hours := flags.Int("hours", 24, "how many hours the row churn simulates")
	bridge := flags.String("skybridge", "", "the bridge's binary, for the row memory")
	recordings := flags.String("recordings", "bridge/skydive/testdata", "the directory of the recordings of a real analyzer")
	dir := flags.String("dir", "", "a directory on the disk to measure with; the system's temporary one where empty")
	out := flags.String("out", "", "put the report between the markers of this file as well")
	profiles := flags.String("profile", "", "instead of a report, write CPU and heap profiles of rows ingest and push to this directory")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is too much: what to measure is said by -rows", flags.Arg(0))
	}
	r := &report{sizes: fullSizes(), quick: *quick, bridge: *bridge, dir: *dir, recordings: *recordings, progress: stderr, args: args}
	if *quick {
		r.sizes = quickSizes()
	}
	if *repeats < 1 || *hours < 2 {
		return errors.New("-repeats must be 1 or more, -hours 2 or more: the hours are compared with the first")
	}
	r.sizes.repeats = *repeats
	if !*quick || isSet(flags, "hours") {
		r.sizes.churnHours = *hours
	}
	if *profiles != "" {
		return r.profile(ctx, *profiles, stdout)
	}
	if *rows != "" {
		r.rows = strings.Split(*rows, ",")
		for _, name := range r.rows {
			if !slices.Contains(rowNames(), name) {
				return fmt.Errorf("there is no row %q; there are %s", name, strings.Join(rowNames(), ", "))
			}
		}
	}
	text, err := r.run(ctx)
	fmt.Fprint(stdout, text)
	if err != nil || *out == "" {
		return err
	}
	return replaceReport(*out, text)
}

func isSet(flags *flag.FlagSet, name string) bool {
	set := false
	flags.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}
