// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// heading says when, where and by what command the report was made. It names no host.
func (r *report) heading(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s: %s, %d cores, %s of memory, %s on Linux %s, %s.\n",
		now.UTC().Format("2 January 2006"), cpuModel(), runtime.NumCPU(), memory(), runtime.Version(), kernel(), runtime.GOARCH)
	command := "make bench-report"
	if shown := shownArgs(r.args); shown != "" {
		command += fmt.Sprintf(" FLAGS=%q", shown)
	}
	fmt.Fprintf(&b, "Command: `%s`. The sides of a row took turns, %d each; the median is shown.\n", command, r.sizes.repeats)
	if load := load(); load != "" {
		fmt.Fprintf(&b, "Load of the machine before the run (1, 5, 15 minutes): %s.\n", load)
	}
	if r.quick {
		b.WriteString("**This is a quick run with small sizes: do not publish its numbers.**\n")
	}
	return b.String() + "\n"
}

// shownArgs are the arguments without the places that make fills in.
func shownArgs(args []string) string {
	var shown []string
	for i := 0; i < len(args); i++ {
		name, _, whole := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		switch name {
		case "skybridge", "dir", "out", "recordings":
			if !whole {
				i++ // the value is the next argument
			}
		default:
			shown = append(shown, args[i])
		}
	}
	return strings.Join(shown, " ")
}

// field returns the value of a line "name: value" of a file under /proc.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func cpuModel() string {
	model := field("/proc/cpuinfo", "model name")
	if model == "" {
		return "an unnamed processor"
	}
	if mhz := field("/proc/cpuinfo", "cpu MHz"); mhz != "" {
		model += ", " + mhz + " MHz"
	}
	return model
}

func memory() string {
	var kilobytes float64
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%f kB", &kilobytes); err != nil {
		return "some"
	}
	return fmt.Sprintf("%.0f GiB", kilobytes/(1<<20))
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
	return version
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	if fields := strings.Fields(string(text)); len(fields) > 3 {
		return strings.Join(fields[:3], ", ")
	}
	return ""
}
