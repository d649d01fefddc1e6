// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// The functions here say numbers as a person reads them. assets/status.js has the
// same ones, and a test in a browser holds the two against each other.

// count writes a whole number with separators.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes with three digits that count.
func size(bytes float64) string {
	return inUnits(bytes, 1000, "B", "kB", "MB", "GB", "TB", "PB", "EB")
}

// room writes a number of bytes of disk or memory, in the units in which storage
// bounds them: powers of 1024.
func room(bytes float64) string {
	return inUnits(bytes, 1024, "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
}

// inUnits writes a number in the unit in which it has three digits at most, or four
// below 1024. Each unit is step times the one before.
func inUnits(n, step float64, units ...string) string {
	i := 0
	for n >= step-0.5 && i < len(units)-1 {
		n /= step
		i++
	}
	if i == 0 {
		return digits(n) + " " + units[0]
	}
	return exact(n) + " " + units[i]
}

// speed writes a number of bytes per second.
func speed(bytes float64) string { return size(bytes) + "/s" }

// exact writes a number below 1,000 with three digits that count.
func exact(v float64) string {
	places, scale := 0, 1.0
	switch {
	case v < 9.995:
		places, scale = 2, 100
	case v < 99.95:
		places, scale = 1, 10
	}
	return strconv.FormatFloat(math.Floor(v*scale+0.5)/scale, 'f', places, 64)
}

// digits is exact without zeros at the end behind the point.
func digits(v float64) string {
	s := exact(v)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// roundTrip writes a time in nanoseconds.
func roundTrip(ns uint64) string {
	switch v := float64(ns); {
	case v < 999.5e3:
		return digits(v/1e3) + " µs"
	case v < 999.5e6:
		return digits(v/1e6) + " ms"
	default:
		return digits(min(v/1e9, 999)) + " s"
	}
}

// span writes a number of seconds in one unit.
func span(seconds float64) string {
	s := math.Floor(max(seconds, 0))
	switch {
	case s < 120:
		return strconv.FormatFloat(s, 'f', 0, 64) + " s"
	case s < 2*3600:
		return strconv.FormatFloat(math.Floor(s/60), 'f', 0, 64) + " min"
	case s < 48*3600:
		return strconv.FormatFloat(math.Floor(s/3600), 'f', 0, 64) + " h"
	}
	return strconv.FormatFloat(math.Floor(s/86400), 'f', 0, 64) + " d"
}

// ago says how long something is past; a time of day can lie ahead.
func ago(t, now time.Time) string { return span(now.Sub(t).Seconds()) + " ago" }

// share is how much of a limit is taken, in whole percent up to 100; without a limit
// nothing is.
func share(now, limit int64) int {
	if limit <= 0 {
		return 0
	}
	return int(min(max(float64(now)*100/float64(limit), 0), 100))
}
