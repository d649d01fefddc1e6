// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

var promQL = parser.NewParser(parser.Options{})

// load parses a rule file and the templates in it.
func load(t *testing.T, file string) (all []rulefmt.Rule) {
	t.Helper()
	groups, errs := rulefmt.ParseFile(file, false, model.LegacyValidation, promQL, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// unit is a test of promtool, as far as it is looked at here.
type unit struct {
	Name        string
	InputSeries []struct{ Series string } `yaml:"input_series"`
	Queries     []struct {
		Expr string
		Want []struct{ Labels string } `yaml:"exp_samples"`
	} `yaml:"promql_expr_test"`
}

func units(t *testing.T) (all []unit) {
	t.Helper()
	files, err := filepath.Glob("tests/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of rules: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var content struct{ Tests []unit }
		if err := yaml.Unmarshal(text, &content); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, content.Tests...)
	}
	return all
}

var (
	alertNames = regexp.MustCompile(`alertname=~?"([^"]+)"`)
	usedLabel  = regexp.MustCompile(`\$labels\.(\w+)`)
)

// mayBeAbsent are metrics that the tests of an alert may lack: one excuses or replaces
// another.
var mayBeAbsent = map[string][]string{"SkybridgeLogNearBound": {"skybridge_log_disk_bytes"}}

// TestCoverage holds the tests that promtool runs (internal/real) against the rules: each
// alert fires in one, with the labels that its texts name, and does not fire in another
// that has all metrics which the alert asks for; each recorded series is asked for.
func TestCoverage(t *testing.T) {
	alerts := load(t, "skybridge-alerts.yml")
	fires, quiet, asked := map[string]labels.Labels{}, map[string]bool{}, map[string]bool{}
	for _, u := range units(t) {
		series := map[string]bool{}
		for _, input := range u.InputSeries {
			name, _, _ := strings.Cut(input.Series, "{")
			series[name] = true
		}
		for _, q := range u.Queries {
			for _, want := range q.Want {
				l, err := promQL.ParseMetric(want.Labels)
				if err != nil {
					t.Fatal(err)
				}
				asked[l.Get(model.MetricNameLabel)] = true
				fires[l.Get("alertname")] = l
			}
			if !strings.HasPrefix(q.Expr, "max_over_time(ALERTS{") {
				continue
			}
			var names []string
			if m := alertNames.FindStringSubmatch(q.Expr); m != nil {
				names = strings.Split(m[1], "|")
			}
			for _, a := range alerts {
				if len(names) > 0 && !slices.Contains(names, a.Alert) {
					continue
				}
				quiet[a.Alert] = true
				for _, name := range metrics(t, a.Expr) {
					if !series[name] && !slices.Contains(mayBeAbsent[a.Alert], name) {
						t.Errorf("%s: %s does not fire because there is no %s", u.Name, a.Alert, name)
					}
				}
			}
		}
	}
	for _, a := range alerts {
		firing, ok := fires[a.Alert]
		if !ok || !quiet[a.Alert] {
			t.Errorf("%s: a test in which it fires: %t, in which it does not: %t", a.Alert, ok, quiet[a.Alert])
		}
		for name, text := range a.Annotations {
			for _, m := range usedLabel.FindAllStringSubmatch(text, -1) {
				if firing.Get(m[1]) == "" {
					t.Errorf("%s: its %s names the label %s, which it does not have: %s", a.Alert, name, m[1], firing)
				}
			}
		}
	}
	for _, r := range load(t, "skybridge-recording.yml") {
		if !asked[r.Record] {
			t.Errorf("%s: no test", r.Record)
		}
	}
}

// metrics lists those that an expression asks for.
func metrics(t *testing.T, expr string) (names []string) {
	t.Helper()
	e, err := promQL.ParseExpr(expr)
	if err != nil {
		t.Fatal(err)
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			names = append(names, v.Name)
		}
		return nil
	})
	return names
}

// TestRunbooks: every alert has a severity, texts, and a runbook that is about it; every
// runbook is of an alert.
func TestRunbooks(t *testing.T) {
	pages, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range load(t, "skybridge-alerts.yml") {
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s has labels %v, annotations %v", a.Alert, a.Labels, a.Annotations)
		}
		if url := a.Annotations["runbook_url"]; url != "runbooks/"+a.Alert+".md" {
			t.Errorf("%s has its runbook at %q", a.Alert, url)
		}
		page := filepath.FromSlash("../../docs/runbooks/" + a.Alert + ".md")
		pages = slices.DeleteFunc(pages, func(p string) bool { return p == page })
		text, err := os.ReadFile(page)
		if err != nil {
			t.Errorf("%s: %v", a.Alert, err)
			continue
		}
		for _, want := range []string{"# " + a.Alert + "\n", "## Meaning\n", "## Impact\n", "## What to do\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q", page, want)
			}
		}
	}
	if len(pages) > 0 {
		t.Errorf("runbooks of no alert: %q", pages)
	}
}
