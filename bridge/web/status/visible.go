// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible makes characters visible that a person would not see, or that change how
// what stands beside them is shown: controls, marks of direction, joiners, private
// ones. Text from the network must not be able to pretend. Go's template escapes
// what is markup.
func visible(s string) string { return reveal(s, false) }

// visibleLines is visible for a text of several lines.
func visibleLines(s string) string { return reveal(s, true) }

func reveal(s string, lines bool) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return hidden(r) && (r != '\n' || !lines) }) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s { // what is no UTF-8 comes as U+FFFD
		if hidden(r) && (r != '\n' || !lines) {
			fmt.Fprintf(&b, `\u{%x}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden is the same set as in assets/status.js.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}
