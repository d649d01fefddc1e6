// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"net/http"
)

// statusWords is an error answer in the receiver's words. The text after the
// code is the code's own, for the one in the answer can be of any length.
func statusWords(status int, said string) string {
	words := fmt.Sprintf("HTTP status %d %s", status, http.StatusText(status))
	if said != "" {
		words += ": " + said
	}
	return words
}
