// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// pagePolicy lets the status page load nothing but its own files, and run no text
// that comes from data.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// parsePage reads the page's template with the functions that it uses.
func parsePage() (*template.Template, error) {
	text, err := assetFiles.ReadFile("assets/status.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	// The ends of its lines stand between tags only; without them the script finds the
	// elements that it makes itself.
	page, err := template.New("status.html").Funcs(template.FuncMap{
		"visible": visible, "lines": visibleLines,
		"size": func(n any) string { return size(number(n)) }, "speed": func(n any) string { return speed(number(n)) },
		"room":  func(n any) string { return room(number(n)) },
		"count": func(n any) string { return count(int64(number(n))) },
		"tenth": digits,
		"span":  span, "ago": ago, "rtt": roundTrip, "pill": pillOf,
		"share":     func(now, limit any) int { return share(int64(number(now)), int64(number(limit))) },
		"sparkOf":   func(rates []float64, list Connections) *sparkView { return newSparkView(rates, len(list.HistoryAt)) },
		"initiator": func(c Connection) endView { return endOf(&c, "initiator") },
		"target":    func(c Connection) endView { return endOf(&c, "target") },
		"where":     func(c Connection) endView { return whereOf(&c) },
	}).Parse(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return page, nil
}

// number is a number of whatever type.
func number(n any) float64 {
	switch n := n.(type) {
	case int:
		return float64(n)
	case int64:
		return float64(n)
	case uint64:
		return float64(n)
	case float64:
		return n
	}
	return 0
}

// pageView is what the template shows.
type pageView struct {
	Status      Status
	List        Connections
	Query       listQuery
	Pprof       bool
	Parts       []string
	Total       float64 // bytes per second
	Updates     float64 // per second
	Columns     []columnView
	First, Last int
	Prev, Next  string
}

// columnView is a column of the connections that can be sorted.
type columnView struct {
	Title, Class, Link string
	Sort               string // of aria-sort; "" it is not the one
}

// pillView is what the head of the page says first.
type pillView struct{ Class, Title string }

func pillOf(s Status) pillView {
	has := func(state string) bool {
		return slices.ContainsFunc(s.Endpoints, func(e Endpoint) bool { return e.State == state })
	}
	switch {
	case !s.Ready:
		return pillView{"bad", "Not ready"}
	case has("refusing"):
		return pillView{"bad", "Samples refused"}
	case has("failing"):
		return pillView{"bad", "Receiver failing"}
	}
	return pillView{"ok", "Ready"}
}

// serveStatusPage serves the page at /.
func (s *Server) serveStatusPage(w http.ResponseWriter, r *http.Request) {
	s.withConnections(w, r, false, func(q listQuery, list Connections) { s.writeStatusPage(w, r, q, list) })
}

func (s *Server) writeStatusPage(w http.ResponseWriter, r *http.Request, q listQuery, list Connections) {
	var body bytes.Buffer
	if err := s.page.Execute(&body, s.view(q, list)); err != nil {
		s.seldom.Error("writing the status page failed", "err", err)
		plain(w, http.StatusInternalServerError, "the page could not be written")
		return
	}
	if w.Header().Get("Content-Security-Policy") == defaultPolicy { // the operator's own wins
		w.Header().Set("Content-Security-Policy", pagePolicy)
	}
	s.answer(w, r, "text/html; charset=utf-8", body.Bytes())
}

func (s *Server) view(q listQuery, list Connections) pageView {
	v := pageView{Status: s.status(), List: list, Query: q, Pprof: s.opts.EnablePprof, Columns: columns(q, list.Labels)}
	for _, p := range parts() {
		v.Parts = append(v.Parts, p.name)
	}
	for _, rate := range list.Rate {
		v.Total += rate
	}
	for _, a := range v.Status.Analyzers {
		v.Updates += a.UpdatesPerSecond
	}
	if n := len(list.Connections); n > 0 {
		v.First, v.Last = q.Offset+1, q.Offset+n
	}
	if q.Offset > 0 {
		before := q
		before.Offset = max(0, min(q.Offset, list.Matched)-q.Limit)
		v.Prev = before.link()
	}
	if q.Offset+q.Limit < list.Matched {
		after := q
		after.Offset += q.Limit
		v.Next = after.link()
	}
	return v
}

// columns returns the heads of the connections' table. An end is sorted by the label
// that tells most of it.
func columns(q listQuery, labels []string) []columnView {
	first := func(names ...string) string {
		for _, name := range names {
			if slices.Contains(labels, name) {
				return name
			}
		}
		return ""
	}
	all := []struct{ title, class, key string }{
		{"From", "end", first("initiator_ip", "initiator_name", "initiator_network", "initiator_port")},
		{"To", "end", first("target_ip", "target_name", "target_network", "target_port")},
		{"What and where", "where", first("protocol", "application", "node_tid", "node_name", "host")},
		{"Rate", "number", sortRate},
		{"Trend", "trend", ""},
		{"Bytes", "number wide", sortBytes},
		{"Round trip", "number wide", sortRTT},
	}
	out := make([]columnView, len(all))
	for i, c := range all {
		out[i] = columnView{Title: c.title, Class: c.class}
		if c.key == "" {
			continue
		}
		link := listQuery{Sort: c.key, Ascending: !numeric(c.key), Filter: q.Filter, Limit: q.Limit}
		if q.Sort == c.key {
			link.Ascending = !q.Ascending
			out[i].Sort = map[bool]string{true: "ascending", false: "descending"}[q.Ascending]
		}
		out[i].Link = link.link()
	}
	return out
}
