// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"
	"testing"
	"time"
)

// TestParseRetryAfter proves both forms, the ceiling, and that anything else
// asks for nothing.
func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2024, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value string
		want  time.Duration
	}{
		{"", 0}, {"0", 0}, {"7", 7 * time.Second}, {" 7 ", 7 * time.Second}, {"-5", 0},
		{"300", 5 * time.Minute}, {"301", 5 * time.Minute}, {"9223372036854775807", 5 * time.Minute},
		{now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{now.Add(-time.Second).Format(http.TimeFormat), 0},
		{now.Add(24 * time.Hour).Format(http.TimeFormat), 5 * time.Minute},
		{"soon", 0}, {"1.5", 0}, {"99999999999999999999", 0},
	} {
		if got := parseRetryAfter(c.value, now); got != c.want {
			t.Errorf("Retry-After %q is %v, want %v", c.value, got, c.want)
		}
	}
}
