// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"hash/fnv"
	"unicode/utf8"
)

// MaxLabelValue bounds a label value in bytes. Cortex and Mimir refuse more than 2,048,
// VictoriaMetrics drops more than 4,096 (docs/how-to/receivers.md); what a person
// can read is shorter still. Addresses, ports and Skydive's identifiers never
// reach it.
const MaxLabelValue = 256

// hashDigits is the length of the hash at the end of a truncated value, with the ~ before it.
const hashDigits = 1 + 16

// appendValue appends a label value that receivers accept, and reports whether it had to be
// changed: invalid UTF-8 is replaced, and a value longer than MaxLabelValue is truncated,
// with a hash of the whole at the end. The same text always becomes the same value.
func appendValue[T []byte | string](dst []byte, s T) (_ []byte, changed bool) {
	if len(s) <= MaxLabelValue && validText(s) {
		return append(dst, s...), false
	}
	return cutValue(dst, []byte(s)), true
}

// fitValue is appendValue for what is kept as a string.
func fitValue(s string) (_ string, changed bool) {
	if len(s) <= MaxLabelValue && validText(s) {
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
	dst = appendText(dst, s)
	if len(dst)-start <= MaxLabelValue {
		return dst
	}
	end := start + MaxLabelValue - hashDigits
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

// appendText appends s with invalid UTF-8 replaced: receivers refuse it, and [Separator] must
// stay unambiguous.
func appendText(dst, s []byte) []byte {
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
