// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

const tableHead = "| path | ours | against | ratio | bar | reached |\n|---|---|---|---|---|---|\n"

// line is a line of the table.
type line struct {
	path, ours, against, ratio, bar string
	// reached is nil where there is no bar.
	reached *bool
}

func (l line) String() string {
	word := "–"
	if l.reached != nil {
		word = "**no**"
		if *l.reached {
			word = "yes"
		}
	}
	cells := []string{l.path, l.ours, l.against, l.ratio, l.bar, word}
	for i, c := range cells {
		if c == "" {
			cells[i] = "–"
		}
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// times is a ratio as a text; near a bar the digit after counts.
func times(ratio float64) string {
	if ratio < 10 {
		return fmt.Sprintf("%.2f ×", ratio)
	}
	return fmt.Sprintf("%.1f ×", ratio)
}

// count is a number as a text, in groups of three digits where it is large.
func count(v float64) string {
	if v < 1000 {
		return fmt.Sprintf("%.3g", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// The marks between which a file holds the report.
const (
	reportBegins = "<!-- bench-report begins -->\n"
	reportEnds   = "<!-- bench-report ends -->\n"
)

// replaceReport puts the report between the marks of a file.
func replaceReport(file, text string) error {
	was, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the file that the report goes into: %w", err)
	}
	before, rest, found := bytes.Cut(was, []byte(reportBegins))
	_, after, closed := bytes.Cut(rest, []byte(reportEnds))
	if !found || !closed {
		return fmt.Errorf("%s has no lines %q and %q for the report to go between", file, strings.TrimSpace(reportBegins), strings.TrimSpace(reportEnds))
	}
	whole := bytes.Join([][]byte{before, []byte(reportBegins), []byte(text), []byte(reportEnds), after}, nil)
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
