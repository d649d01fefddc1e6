// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import "math"

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
	negative := number[0] == '-'
	if negative {
		number = number[1:]
	}
	// The number is its digits, from the first to the last that is not zero,
	// times 10 to the power of scale.
	digits, first, last, fraction := 0, -1, -1, 0
	exponent := 0
	inFraction := false
	for i, c := range number {
		if c == '.' {
			inFraction = true
			continue
		}
		if c|0x20 == 'e' {
			exponent = saturated(number[i+1:])
			break
		}
		if inFraction {
			fraction++
		}
		if c != '0' {
			if first < 0 {
				first = digits
			}
			last = digits
		}
		digits++
	}
	if first < 0 {
		return 0, true
	}
	scale := exponent - fraction + digits - 1 - last
	if scale < 0 || last-first+1+scale > 19 {
		return 0, false
	}
	// At most 19 digits with their zeros: an uint64 holds them.
	var u uint64
	at := 0
	for _, c := range number {
		if c == '.' {
			continue
		}
		if at >= first {
			u = u*10 + uint64(c-'0')
		}
		if at == last {
			break
		}
		at++
	}
	for range scale {
		u *= 10
	}
	switch {
	case !negative && u <= math.MaxInt64:
		return int64(u), true
	case negative && u <= 1<<63:
		return int64(-u), true
	}
	return 0, false
}

// saturated reads the digits of an exponent, which may have a sign. Beyond
// 2^27 it stays there: no message (2^24 bytes) is long enough for the difference
// to matter, and ten times as much still fits an int of 32 bits.
func saturated(exponent []byte) int {
	sign := 1
	switch exponent[0] {
	case '-':
		sign, exponent = -1, exponent[1:]
	case '+':
		exponent = exponent[1:]
	}
	v := 0
	for _, c := range exponent {
		if v < 1<<27 {
			v = v*10 + int(c-'0')
		}
	}
	return sign * v
}
