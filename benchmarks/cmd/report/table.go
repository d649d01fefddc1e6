// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
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
