// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"net/http"
	"net/url"
	"strings"
)

// MaxRedirects is the limit of net/http's own policy.
const MaxRedirects = 10

// staysAtHome follows redirects that do not take the client's secret elsewhere.
func staysAtHome(next *http.Request, via []*http.Request) error {
	if len(via) >= MaxRedirects || leads(via[0].URL, next.URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

// redirectedAway reports whether any hop of a chain of redirects led to another
// host than the first request's, or to it without TLS.
func redirectedAway(req *http.Request) bool {
	for r := req; r.Response != nil && r.Response.Request != nil; r = r.Response.Request {
		if leads(r.Response.Request.URL, r.URL) {
			return true
		}
	}
	return false
}

// leads reports whether the way from one URL to another leaves the host or TLS.
func leads(from, to *url.URL) bool {
	return !strings.EqualFold(from.Hostname(), to.Hostname()) || from.Scheme == "https" && to.Scheme != "https"
}
