// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is the limit of net/http's own policy.
const maxRedirects = 10

// keepsMethod follows a redirect only where the request stays what it is: 307
// and 308. The others make a GET without a body out of a POST, which a receiver
// might even answer with 200.
func keepsMethod(next *http.Request, via []*http.Request) error {
	if next.Method != http.MethodPost || len(via) >= maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// staysAtHome follows redirects that do not take the client's secret elsewhere.
func staysAtHome(next *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects || leads(via[0].URL, next.URL) {
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
