// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import "encoding/json"

// readKey reads a key and its colon; the position is that of the value.
func readKey(b []byte, i int) ([]byte, int) {
	if i >= len(b) || b[i] != '"' {
		return nil, fault(i)
	}
	key, i := readString(b, i+1)
	if i < 0 {
		return nil, i
	}
	return key, colon(b, i)
}

// readString reads the string whose text begins at i. One that is not plain is decoded
// by encoding/json: escapes resolved, and what is not valid UTF-8 replaced by U+FFFD.
func readString(b []byte, i int) ([]byte, int) {
	end, plain := stringEnd(b, i)
	if plain {
		return b[i:end:end], end + 1
	}
	if end < 0 {
		return nil, end
	}
	var text string
	if json.Unmarshal(b[i-1:end+1], &text) != nil {
		return nil, fault(i) // cannot be: the syntax has been checked
	}
	return []byte(text), end + 1
}

// readText reads a value that should be a string; null is the empty one. The
// position is right also where it is something else.
func readText(b []byte, i, depth int) (s []byte, next int, ok bool) {
	if i < len(b) && b[i] == '"' {
		s, i = readString(b, i+1)
		return s, i, true
	}
	ok = i < len(b) && b[i] == 'n'
	return nil, skip(b, i, depth), ok
}

// readNumber reads a value that should be a whole number; null is 0. The position
// is right also where it is something else.
func readNumber(b []byte, i, depth int) (v int64, next int, ok bool) {
	if i < len(b) && (b[i]-'0' <= 9 || b[i] == '-') {
		return integer(b, i)
	}
	ok = i < len(b) && b[i] == 'n'
	return 0, skip(b, i, depth), ok
}
