// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Command report measures skybridge beside what it replaces and what it competes
// with, in one run on one machine, and prints a markdown table of the bars that the
// project has set itself. docs/reference/sizing.md says what each row is.
//
// Whatever is measured runs in a process of its own: the bridge or vmagent as they are
// shipped, or this program again, as a worker. The feed and the receiver are this
// process, whose CPU time and memory count for nothing.
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
		os.Exit(workerMain())
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
	bridge := flags.String("skybridge", "", "the bridge's binary")
	vmagent := flags.String("vmagent", "vmagent", "its program, as Debian's package victoria-metrics has it; empty: leave it out")
	dir := flags.String("dir", "", "a directory on the disk to measure with; the system's temporary one where empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is too much: what to measure is said by -rows", flags.Arg(0))
	}
	r := &report{sizes: fullSizes(), quick: *quick, bridge: *bridge, vmagent: *vmagent, dir: *dir, progress: stderr, args: args}
	if *quick {
		r.sizes = quickSizes()
	}
	if *repeats < 1 {
		return errors.New("-repeats must be 1 or more")
	}
	r.sizes.repeats = *repeats
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
	return err
}
