// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Prometheus' web UI is no part of its Go module; this page draws a query, so
// that the demo has something to look at.
//
//go:embed graph.html
var graphPage string

const noQueries = `id="queries">[]</script>`

// queryPage serves the page with the queries as buttons; the first is drawn.
func queryPage(offered []guideQuery) (http.Handler, error) {
	queries, err := json.Marshal(offered) // escapes <, > and &
	if err != nil {
		return nil, fmt.Errorf("query page: %w", err)
	}
	script, ok := inner(graphPage, "<script>", "</script>")
	style, styled := inner(graphPage, "<style>", "</style>")
	if !ok || !styled || !strings.Contains(graphPage, noQueries) {
		return nil, fmt.Errorf("query page: a part of it is missing")
	}
	page := strings.Replace(graphPage, noQueries, `id="queries">`+string(queries)+`</script>`, 1)
	policy := "default-src 'none'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; script-src " + source(script) + "; style-src " + source(style)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write([]byte(page))
	}), nil
}

// source allows exactly this text in a Content-Security-Policy.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func inner(text, open, end string) (string, bool) {
	_, after, found := strings.Cut(text, open)
	if !found {
		return "", false
	}
	part, _, found := strings.Cut(after, end)
	return part, found
}
