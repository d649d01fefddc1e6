// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"

	"github.com/skydive-project/skybridge/credentials"
)

// keepsMethod follows a redirect only where the request stays what it is: 307
// and 308. The others make a GET without a body out of a POST, which a receiver
// might even answer with 200.
func keepsMethod(next *http.Request, via []*http.Request) error {
	if next.Method != http.MethodPost || len(via) >= credentials.MaxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}
