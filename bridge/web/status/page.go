// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"bytes"
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/bridge/web/connections"
	"github.com/skydive-project/skybridge/bridge/web/expose"
)

// Policy is the page's Content-Security-Policy: it loads nothing but its own files, and
// runs no text that comes from data.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Page is the status page. It may be used from many goroutines.
type Page struct {
	template  *template.Template
	telemetry string
	pprof     bool
}

// NewPage returns the page. telemetry is the path of the metrics, from the page's; pprof says
// whether it links to the profiles.
func NewPage(telemetry string, pprof bool) (*Page, error) {
	text, err := assetFiles.ReadFile("assets/status.html")
	if err != nil {
		return nil, fmt.Errorf("status page: %w", err)
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
		"share": func(now, limit any) int { return share(int64(number(now)), int64(number(limit))) },
		"sparkOf": func(rates []float64, list connections.Page) *sparkView {
			return newSparkView(rates, len(list.HistoryAt))
		},
		"initiator": func(c connections.Connection) endView { return endOf(&c, "initiator", c.Names.Initiator) },
		"target":    func(c connections.Connection) endView { return endOf(&c, "target", c.Names.Target) },
		"where":     func(c connections.Connection) endView { return whereOf(&c) },
	}).Parse(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	return &Page{page, strings.TrimPrefix(telemetry, "/"), pprof}, nil
}

// number is a number of whatever type.
func number(n any) float64 { return reflect.ValueOf(n).Convert(reflect.TypeFor[float64]()).Float() }

// pageView is what the template shows.
type pageView struct {
	Status      Status
	List        connections.Page
	Query       connections.Query
	Telemetry   string
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

// Write returns the page as HTML, with the connections that q asked for.
func (p *Page) Write(s Status, q connections.Query, list connections.Page) ([]byte, error) {
	var body bytes.Buffer
	if err := p.template.Execute(&body, p.view(s, q, list)); err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	return body.Bytes(), nil
}

func (p *Page) view(s Status, q connections.Query, list connections.Page) pageView {
	v := pageView{Status: s, List: list, Query: q, Telemetry: p.telemetry, Pprof: p.pprof, Parts: expose.PartNames(), Columns: columns(q, list.Labels)}
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
		v.Prev = before.Link()
	}
	if q.Offset+q.Limit < list.Matched {
		after := q
		after.Offset += q.Limit
		v.Next = after.Link()
	}
	return v
}

// columns returns the heads of the connections' table. An end is sorted by the label
// that tells most of it.
func columns(q connections.Query, labels []string) []columnView {
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
		{"Rate", "number", connections.SortRate},
		{"Trend", "trend", ""},
		{"Bytes", "number wide", connections.SortBytes},
		{"Round trip", "number wide", connections.SortRTT},
	}
	out := make([]columnView, len(all))
	for i, c := range all {
		out[i] = columnView{Title: c.title, Class: c.class}
		if c.key == "" {
			continue
		}
		link := connections.Query{Sort: c.key, Ascending: !connections.Numeric(c.key), Filter: q.Filter, Limit: q.Limit}
		if q.Sort == c.key {
			link.Ascending = !q.Ascending
			out[i].Sort = map[bool]string{true: "ascending", false: "descending"}[q.Ascending]
		}
		out[i].Link = link.Link()
	}
	return out
}
