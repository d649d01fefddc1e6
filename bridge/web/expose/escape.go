// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import (
	"strings"
	"unicode/utf8"
)

// escapedMax is how many bytes one byte of a value can become: a backslash, and what
// it escapes. Label values are valid UTF-8; of one that is not, a byte becomes three.
const escapedMax = 2

// appendEscaped appends a label value as both formats want it between the
// quotes: backslash, quote and newline with a backslash (text 0.0.4, "Text
// format details"; OpenMetrics 1.0.0, ABNF escaped-string). Each byte that is
// not UTF-8 becomes U+FFFD: Prometheus refuses a whole page for one of them.
func appendEscaped(b []byte, value string) []byte {
	for i := 0; i < len(value); {
		switch c := value[i]; {
		case c == '\\':
			b = append(b, `\\`...)
		case c == '"':
			b = append(b, `\"`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(value[i:])
			b = utf8.AppendRune(b, r) // RuneError for a byte that is none
			i += size
			continue
		}
		i++
	}
	return b
}

// plainPrefix returns how many bytes of s need no escaping: ASCII without
// backslash, quote and newline.
func plainPrefix(s string) int {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '\n' {
			return i
		}
	}
	return len(s)
}

// escapeHelp escapes a HELP text: OpenMetrics wants quotes escaped too.
func escapeHelp(help string, openMetrics bool) string {
	help = strings.ReplaceAll(help, `\`, `\\`)
	help = strings.ReplaceAll(help, "\n", `\n`)
	if openMetrics {
		help = strings.ReplaceAll(help, `"`, `\"`)
	}
	return help
}
