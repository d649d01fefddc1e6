// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import (
	"strings"
	"unicode/utf8"
)

// escapedMax is how many bytes one byte of a value can become: U+FFFD takes
// three.
const escapedMax = len("\uFFFD")

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

// cutRune returns how many bytes at the end of s begin a rune that does not end
// there.
func cutRune(s string) int {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		if tail := s[len(s)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRuneInString(tail) {
				return 0
			}
			return n
		}
	}
	return 0
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
