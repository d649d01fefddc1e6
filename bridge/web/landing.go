// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
)

const landingStyle = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}dt{font-weight:600}table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:0 1rem 0 0;overflow-wrap:anywhere}`

const landingPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>skybridge</title>
<style>` + landingStyle + `</style>
</head>
<body>
<h1>skybridge</h1>
<p>Pushes the flows that Skydive captures to Prometheus, and serves them here.</p>
<dl>
<dt>Version</dt><dd>{{.Version}}</dd>
<dt>{{if .Ready}}Ready{{else}}Not ready{{end}}</dt><dd>{{.Word}}</dd>
</dl>
{{with .Status}}<table>
<thead><tr><th scope="col">Peer</th><th scope="col">State</th><th scope="col">Details</th></tr></thead>
<tbody>
{{range .}}<tr><th scope="row">{{.Name}}</th><td>{{if .OK}}ok{{else}}not ok{{end}}</td><td>{{.Text}}</td></tr>
{{end}}</tbody>
</table>
{{end}}<ul>
<li><a href="/metrics">Metrics</a>, or a part of them:{{range .Parts}} <a href="/metrics?collect[]={{.}}">{{.}}</a>{{end}}</li>
{{if .API}}<li><a href="/api/v1/status">Status as JSON</a></li>
{{end}}<li><a href="/-/healthy">Health</a></li>
<li><a href="/-/ready">Readiness</a></li>
{{if .Pprof}}<li><a href="/debug/pprof/">Profiles</a></li>
{{end}}</ul>
</body>
</html>
`

// landing serves the page at /. It needs nothing from elsewhere, and its policy
// allows nothing but its own style, named by hash.
func (s *Server) landing() http.Handler {
	page := template.Must(template.New("landing").Parse(landingPage))
	hash := sha256.Sum256([]byte(landingStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ready, word := s.opts.Ready()
		var status []StatusLine
		if s.opts.Status != nil {
			status = s.opts.Status()
		}
		var body bytes.Buffer
		err := page.Execute(&body, struct {
			Version, Word string
			Ready, Pprof  bool
			API           bool
			Parts         []string
			Status        []StatusLine
		}{s.opts.Version, word, ready, s.opts.EnablePprof, s.opts.State != nil, names, status})
		if err != nil {
			plain(w, http.StatusInternalServerError, "the page could not be written")
			s.opts.Logger.Error("writing the landing page failed", "err", err)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(body.Bytes()) // nobody is left to tell
	})
}
