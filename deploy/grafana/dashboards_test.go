// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package grafana_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// machine is what ties a dashboard to somebody's installation.
var machine = regexp.MustCompile(`https?://|localhost|\b\d{1,3}(\.\d{1,3}){3}\b|"uid": "[A-Za-z0-9]{9,}"`)

// Dashboards load into any Grafana: they have uids that stay, take their data source
// from a variable, name no machine, and every panel has a title, a description, a unit
// and legends.
func TestDashboards(t *testing.T) {
	all := load(t)
	if len(all) != 2 {
		t.Errorf("%d dashboards", len(all))
	}
	uids := map[string]bool{}
	for _, d := range all {
		if d.UID == "" || len(d.UID) > 40 || uids[d.UID] || d.Title == "" || !slices.Contains(d.Tags, "skybridge") {
			t.Errorf("%s: uid %q, title %q, tags %q", d.File, d.UID, d.Title, d.Tags)
		}
		uids[d.UID] = true
		if found := machine.FindString(d.Text); found != "" {
			t.Errorf("%s names a machine: %s", d.File, found)
		}
		variables := checkVariables(t, d)
		ids, titles, boxes := map[int]bool{}, map[string]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] || titles[p.Title] || p.Title == "" || len(p.Title) > 45 {
				t.Errorf("%s: panel %d %q: id or title is empty, long, or there twice", d.File, p.ID, p.Title)
			}
			ids[p.ID], titles[p.Title] = true, true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := boxes[[2]int{x, y}]; other != "" || x >= 24 {
						t.Errorf("%s: %q lies over %q, or beyond the edge", d.File, p.Title, other)
					}
					boxes[[2]int{x, y}] = p.Title
				}
			}
			if p.Type != "row" {
				checkPanel(t, d, p, variables)
			}
		}
		if n := len(d.Panels); n > 30 {
			t.Errorf("%s has %d panels: who reads them?", d.File, n)
		}
	}
}

// checkVariables returns the names of a dashboard's variables.
func checkVariables(t *testing.T, d Dashboard) map[string]bool {
	t.Helper()
	names := map[string]bool{"__rate_interval": true}
	for i, v := range d.Templating.List {
		names[v.Name] = true
		if v.Label == "" {
			t.Errorf("%s: variable %s has no label", d.File, v.Name)
		}
		if i == 0 && (v.Type != "datasource" || v.Name != "datasource") {
			t.Errorf("%s: the first variable is %s, want the data source", d.File, v.Name)
		}
		if v.Type == "query" && (v.Datasource == nil || v.Datasource.UID != "${datasource}") {
			t.Errorf("%s: variable %s does not read from the chosen data source", d.File, v.Name)
		}
	}
	return names
}

var variable = regexp.MustCompile(`\$(\w+)`)

func checkPanel(t *testing.T, d Dashboard, p Panel, variables map[string]bool) {
	t.Helper()
	chosen := func(s *Source) bool { return s != nil && s.Type == "prometheus" && s.UID == "${datasource}" }
	if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || !chosen(p.Datasource) || len(p.Targets) == 0 || len(p.Targets) > 3 {
		t.Errorf("%s: %q: description %q, unit %q, source %v, %d queries", d.File, p.Title, p.Description, p.FieldConfig.Defaults.Unit, p.Datasource, len(p.Targets))
	}
	for _, q := range p.Targets {
		if q.LegendFormat == "" || q.RefID == "" || !chosen(q.Datasource) {
			t.Errorf("%s: %q: query %s: legend %q, source %v", d.File, p.Title, q.RefID, q.LegendFormat, q.Datasource)
		}
		for _, m := range variable.FindAllStringSubmatch(q.Expr, -1) {
			if !variables[m[1]] {
				t.Errorf("%s: %q asks for $%s, which is not there", d.File, p.Title, m[1])
			}
		}
		expr := strings.NewReplacer("$__rate_interval", "1m", "$window", "75s", "$node", ".+", "$job", ".+", "$instance", ".+").Replace(q.Expr)
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil || strings.Contains(expr, "$") {
			t.Errorf("%s: %q: %s: %v", d.File, p.Title, expr, err)
		}
	}
}
