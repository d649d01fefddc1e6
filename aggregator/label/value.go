// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"hash/fnv"
	"unicode/utf8"
)

// MaxValueBytes bounds a label value. Cortex and Mimir refuse more than 2,048,
// VictoriaMetrics drops more than 4,096 (docs/how-to/receivers.md); what a person
// can read is shorter still. Addresses, ports and Skydive's identifiers never
// reach it.
const MaxValueBytes = 256

// hashDigits is the length of the hash at the end of a truncated value, with the ~ before it.
const hashDigits = 1 + 16

// appendValue appends what [Fit] returns.
func appendValue[T []byte | string](dst []byte, s T) (_ []byte, changed bool) {
	if len(s) <= MaxValueBytes && validText(s) {
		return append(dst, s...), false
	}
	return cutValue(dst, []byte(s)), true
}

// Fit returns a label value that receivers accept, and whether s had to be changed: invalid
// UTF-8 is replaced, and a value longer than [MaxValueBytes] is truncated, with a hash of the
// whole at the end. The same text always becomes the same value.
func Fit(s string) (value string, changed bool) {
	if len(s) <= MaxValueBytes && validText(s) {
		return s, false
	}
	return string(cutValue(nil, []byte(s))), true
}

// validText is utf8.Valid, faster for short ASCII texts.
func validText[T []byte | string](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return utf8.Valid([]byte(s))
		}
	}
	return true
}

// cutValue appends a value that is not valid as it is.
func cutValue(dst, s []byte) []byte {
	start := len(dst)
	dst = AppendUTF8(dst, s)
	if len(dst)-start <= MaxValueBytes {
		return dst
	}
	end := start + MaxValueBytes - hashDigits
	for !utf8.RuneStart(dst[end]) {
		end--
	}
	dst = append(dst[:end], '~')
	h := fnv.New64a()
	_, _ = h.Write(s) // never fails
	const digits = "0123456789abcdef"
	sum := h.Sum64()
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[sum>>shift&15])
	}
	return dst
}

// AppendUTF8 appends s with each invalid byte replaced by U+FFFD: receivers refuse invalid
// UTF-8, and [Separator] must stay unambiguous.
func AppendUTF8(dst, s []byte) []byte {
	if utf8.Valid(s) {
		return append(dst, s...)
	}
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[n:]
	}
	return dst
}
