// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// appendText appends what a JSON string means to dst: escapes resolved, and
// whatever is not valid UTF-8 replaced by U+FFFD, byte by byte, as in
// encoding/json. The string's syntax has been checked.
func appendText(dst, s []byte) []byte {
	for len(s) > 0 {
		c := s[0]
		switch {
		case c == '\\' && s[1] == 'u':
			r := hex4(s, 2)
			s = s[6:]
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
					low = hex4(s, 2)
				}
				// Half a pair, or one the wrong way round, is U+FFFD, and the
				// escape after it stands for itself.
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					s = s[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
		case c == '\\':
			dst = append(dst, unescaped(s[1]))
			s = s[2:]
		case c < utf8.RuneSelf:
			n := bytes.IndexByte(s, '\\')
			if n < 0 {
				n = len(s)
			}
			n = asciiLen(s[:n])
			dst = append(dst, s[:n]...)
			s = s[n:]
		default:
			r, n := utf8.DecodeRune(s)
			dst = utf8.AppendRune(dst, r)
			s = s[n:]
		}
	}
	return dst
}

func asciiLen(s []byte) int {
	for i, c := range s {
		if c >= utf8.RuneSelf {
			return i
		}
	}
	return len(s)
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
