// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"strconv"
	"strings"
)

// integer reads the number at i. It is not ok when the number has a fraction
// or does not fit into an int64; the position is right all the same.
func integer(b []byte, i int) (v int64, next int, ok bool) {
	start := i
	negative := false
	if b[i] == '-' {
		negative = true
		i++
	}
	first := i
	for i < len(b) && b[i]-'0' <= 9 {
		v = v*10 + int64(b[i]-'0') // may wrap: then there are more than 18 digits
		i++
	}
	// The common case: up to 18 digits, no fraction, no exponent.
	if n := i - first; n > 0 && n <= 18 && (b[first] != '0' || n == 1) &&
		(i == len(b) || b[i] != '.' && b[i]|0x20 != 'e') {
		if negative {
			v = -v
		}
		return v, i, true
	}
	next = numberEnd(b, start)
	if next < 0 {
		return 0, next, false
	}
	v, ok = decimal(b[start:next])
	return v, next, ok
}

// decimal is the exact value of a grammatical JSON number, if it is integral
// and fits into an int64. Its length and exponent may be anything.
func decimal(number []byte) (v int64, ok bool) {
	text := string(number)
	sign := ""
	if text[0] == '-' {
		sign, text = "-", text[1:]
	}
	exponent := 0
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		// What does not fit becomes the nearest int. Beyond 2^27 it stays there: no
		// message (2^24 bytes) is long enough for the difference to matter.
		exponent, _ = strconv.Atoi(text[e+1:])
		exponent = max(-1<<27, min(exponent, 1<<27))
		text = text[:e]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	exponent -= len(fraction)
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent += len(digits)
	digits = strings.TrimRight(digits, "0")
	exponent -= len(digits)
	if digits == "" {
		return 0, true
	}
	if exponent < 0 || len(digits)+exponent > 19 {
		return 0, false
	}
	v, err := strconv.ParseInt(sign+digits+strings.Repeat("0", exponent), 10, 64)
	return v, err == nil
}
