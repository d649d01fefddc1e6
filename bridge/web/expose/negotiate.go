// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
)

// Negotiate chooses what the page is written in: OpenMetrics 1.0.0 (or
// 0.0.1, which is the same page under the name that scrapers of 2018 ask for)
// where the Accept header prefers it, else text 0.0.4. Protobuf cannot be
// streamed series by series, and what OpenMetrics 2.0 and text 1.0 add is of no
// use to names like ours: a scraper that asks for them gets the best of the others
// that it accepts, or text.
func Negotiate(h http.Header) expfmt.Format {
	accept := http.Header{"Accept": {acceptable(h.Values("Accept"))}}
	return expfmt.NegotiateAccept(accept,
		expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_0_0_1, expfmt.FmtText)
}

// acceptable joins the lines of a header and drops the elements with q=0, which
// mean "not this" and which expfmt takes for "this last".
func acceptable(lines []string) string {
	return strings.Join(slices.DeleteFunc(elements(lines), func(e string) bool { return quality(e) <= 0 }), ",")
}

// elements are those of a header with a list (RFC 9110, section 5.6.1).
func elements(lines []string) []string { return strings.Split(strings.Join(lines, ","), ",") }

// AcceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3): gzip by name,
// else by *; q=0 refuses.
func AcceptsGzip(h http.Header) bool {
	named, rest := -1.0, -1.0
	for _, element := range elements(h.Values("Accept-Encoding")) {
		coding, _, _ := strings.Cut(element, ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			named = max(named, quality(element))
		case "*":
			rest = max(rest, quality(element))
		}
	}
	if named >= 0 {
		return named > 0
	}
	return rest > 0
}

// quality returns the q of one element of an Accept header, 1 where it is absent
// or unreadable.
func quality(element string) float64 {
	_, params, _ := strings.Cut(element, ";")
	for param := range strings.SplitSeq(params, ";") {
		key, value, ok := strings.Cut(strings.TrimSpace(param), "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(key), "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			return q
		}
	}
	return 1
}
