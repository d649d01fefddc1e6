// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter is the longest that a receiver's Retry-After is honoured. It keeps
// a receiver, or what stands before it, from silencing the push for a day by
// mistake; one request in five minutes is no load.
const maxRetryAfter = 5 * time.Minute

// parseRetryAfter reads a Retry-After header, seconds or a date (RFC 9110,
// 10.2.3), with its ceiling. Anything else, and the past, asks for nothing.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		// Bounded before it is multiplied: the product of a hostile one would wrap.
		seconds = min(max(0, seconds), int64(maxRetryAfter/time.Second))
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(0, date.Sub(now)), maxRetryAfter)
	}
	return 0
}
