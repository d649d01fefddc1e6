// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"strings"
	"testing"
)

// TestQuote proves that what a peer said is one line that changes no terminal, and not long.
func TestQuote(t *testing.T) {
	for said, want := range map[string]string{
		"<html>\r\n<head><title>404</title></head>\n\n</html>\n": "<html> <head><title>404</title></head> </html>",
		"\x1b[2Jall works\x00\u202e":                             "\uFFFD[2Jall works\uFFFD\uFFFD",
		"\xff":                                                   "\uFFFD",
		strings.Repeat("é", 300):                                 strings.Repeat("é", 256) + "…",
	} {
		if got := New().Quote(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
