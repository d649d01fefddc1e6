// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The scanning functions walk a message by index: they take the position of
// what they read and return the position after it, or, where the JSON is
// broken, the complement of the position of the fault (negative, so one test of
// the sign is the error check). Positions in registers instead of a scanner
// object in memory are worth about a third of the time of a message.

// maxDepth is the deepest nesting that is read, the limit of encoding/json.
const maxDepth = 10000

func fault(i int) int { return ^i }

// broken is the error that a fault means.
func broken(i int) error { return fmt.Errorf("broken JSON at byte %d", ^i) }

// skipSpace returns the position of the next byte that is no white space,
// which is len(b) at the end.
func skipSpace(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ' ', '\t', '\r', '\n':
			i++
		default:
			return i
		}
	}
	return i
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x8080808080808080
)

// stringEnd returns the position of the quote that closes the string whose
// text begins at i. It is plain when it is ASCII without escapes, so that the
// bytes are the text.
func stringEnd(b []byte, i int) (end int, plain bool) {
	for i+8 <= len(b) {
		v := binary.LittleEndian.Uint64(b[i:])
		quote := v ^ eachByte*'"'
		slash := v ^ eachByte*'\\'
		// The lowest set bit is exact: a subtraction borrows only from bytes
		// above one that is a match itself.
		stop := ((quote-eachByte)&^quote | (slash-eachByte)&^slash | (v-eachByte*' ')&^v | v) & highBits
		if stop != 0 {
			i += bits.TrailingZeros64(stop) >> 3
			if b[i] == '"' {
				return i, true
			}
			return oddStringEnd(b, i), false
		}
		i += 8
	}
	for ; i < len(b); i++ {
		c := b[i]
		if c == '"' {
			return i, true
		}
		if c == '\\' || c < ' ' || c >= 0x80 {
			return oddStringEnd(b, i), false
		}
	}
	return fault(i), false
}

// oddStringEnd is stringEnd for the rest of a string that is not plain. As in
// encoding/json, invalid UTF-8 is no broken JSON.
func oddStringEnd(b []byte, i int) int {
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i
		case c < ' ':
			return fault(i)
		case c != '\\':
			i++
		case i+1 >= len(b):
			return fault(i)
		default:
			switch b[i+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i += 2
			case 'u':
				if i+6 > len(b) || !hex(b[i+2:i+6]) {
					return fault(i)
				}
				i += 6
			default:
				return fault(i)
			}
		}
	}
	return fault(i)
}

// hex says whether all of b are hexadecimal digits.
func hex(b []byte) bool {
	for _, c := range b {
		if c-'0' > 9 && c|0x20-'a' > 5 {
			return false
		}
	}
	return true
}

// numberEnd reads a JSON number by its grammar (RFC 8259 section 6).
func numberEnd(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	i = digitsEnd(b, i)
	if i == first {
		return fault(i)
	}
	if b[first] == '0' {
		i = first + 1 // what follows a leading zero is not part of the number
	}
	if i < len(b) && b[i] == '.' {
		end := digitsEnd(b, i+1)
		if end == i+1 {
			return fault(end)
		}
		i = end
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		end := digitsEnd(b, i)
		if end == i {
			return fault(end)
		}
		i = end
	}
	return i
}

func digitsEnd(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// literalEnd reads one of true, false and null.
func literalEnd(b []byte, i int) int {
	word := "null"
	switch b[i] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	}
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return fault(i)
	}
	return i + len(word)
}

// colon reads what stands between a key and its value; i is the position after
// the key's closing quote.
func colon(b []byte, i int) int {
	if i < len(b) && b[i] == ':' {
		i++
		if i < len(b) && b[i] > ' ' {
			return i
		}
		return skipSpace(b, i)
	}
	i = skipSpace(b, i)
	if i >= len(b) || b[i] != ':' {
		return fault(i)
	}
	return skipSpace(b, i+1)
}

// open steps into the array or object at i. Where it is empty there is no
// more, and the position is the one after it.
func open(b []byte, i int, closing byte) (int, bool) {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == closing {
		return i + 1, false
	}
	return i, true
}

// next steps from the end of a value to the beginning of the one after it, or,
// where there is no more, behind the array or object. It passes a fault on.
func next(b []byte, i int, closing byte) (int, bool) {
	if i < 0 {
		return i, false
	}
	if i < len(b) && b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	if i >= len(b) {
		return fault(i), false
	}
	switch b[i] {
	case ',':
		i++
		if i < len(b) && b[i] > ' ' {
			return i, true
		}
		return skipSpace(b, i), true
	case closing:
		return i + 1, false
	}
	return fault(i), false
}

// skip walks over the value at i, checking its syntax. depth is the number of
// arrays and objects around it.
func skip(b []byte, i, depth int) int {
	if i >= len(b) {
		return fault(i)
	}
	switch c := b[i]; {
	case c == '"':
		end, _ := stringEnd(b, i+1)
		if end < 0 {
			return end
		}
		return end + 1
	case c == '{' || c == '[':
		return skipNested(b, i, depth)
	case c == '-' || '0' <= c && c <= '9':
		return numberEnd(b, i)
	case c == 't' || c == 'f' || c == 'n':
		return literalEnd(b, i)
	}
	return fault(i)
}

// skipNested is skip for an array or object.
func skipNested(b []byte, i, depth int) int {
	if depth == maxDepth {
		return fault(i)
	}
	object, closing := b[i] == '{', b[i]+2 // '}' is '{'+2, ']' is '['+2
	i, more := open(b, i, closing)
	for more {
		if object {
			if i >= len(b) || b[i] != '"' {
				return fault(i)
			}
			end, _ := stringEnd(b, i+1)
			if end < 0 {
				return end
			}
			if i = colon(b, end+1); i < 0 {
				return i
			}
		}
		i, more = next(b, skip(b, i, depth+1), closing)
	}
	return i
}
