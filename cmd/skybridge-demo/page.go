// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// Prometheus' web UI is no part of its Go module; this page draws a query, so
// that the demo has something to look at.
var (
	//go:embed graph.html
	graphPage string
	//go:embed graph.css
	graphStyle string
	//go:embed graph.js
	graphScript string
)

// queryPage serves the page with the queries as buttons; the first is drawn. Its policy
// allows its own script and style and nothing else.
func queryPage(offered []guideQuery) http.Handler {
	queries, _ := json.Marshal(offered) // of texts: no error; escapes <, > and &
	page := strings.NewReplacer("{{style}}", graphStyle, "{{script}}", graphScript, "{{queries}}", string(queries)).Replace(graphPage)
	policy := "default-src 'none'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; script-src " + source(graphScript) + "; style-src " + source(graphStyle)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write([]byte(page))
	})
}

// source allows exactly this text in a Content-Security-Policy.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
