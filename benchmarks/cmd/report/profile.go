// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// profile writes profiles of the two hot paths and prints the top of them.
func (r *report) profile(ctx context.Context, dir string, out io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of the profiles: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the directory of the profiles: %w", err)
	}
	s := r.ingestSpec("ingest ours")
	s.Profile = filepath.Join(dir, "ingest")
	if _, err := r.fed(ctx, s); err != nil {
		return fmt.Errorf("feed to counters: %w", err)
	}
	for _, side := range []string{ours2, ours1} {
		r.profiled = filepath.Join(dir, map[string]string{ours2: "push2", ours1: "push1"}[side])
		if _, err := r.pushSide(ctx, side); err != nil {
			return fmt.Errorf("push: %w", err)
		}
	}
	r.profiled = ""
	for _, name := range []string{"ingest", "push2", "push1"} {
		for kind, order := range map[string]string{"cpu": "-cum", "heap": "-flat"} {
			file := filepath.Join(dir, name+"."+kind+".pprof")
			top := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", order, "-nodecount=50", file)
			top.Stderr = r.progress
			text, err := top.Output()
			if err != nil {
				return fmt.Errorf("read profile %s: %w", file, err)
			}
			fmt.Fprintf(out, "\n== %s, %s (%s)\n%s", name, kind, file, text)
		}
	}
	return nil
}

// profileAfter is when the profile of a push begins: all connections are there, and
// their zeros are out.
func (s *sizes) profileAfter() time.Duration {
	return time.Duration(s.pushConnections)*time.Second/arrivals + time.Duration(s.pushWarm)*s.pushInterval
}
