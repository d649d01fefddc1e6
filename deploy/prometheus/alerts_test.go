// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"

	"github.com/skydive-project/skybridge/internal/rulelab"
)

const (
	alertsFile    = "skybridge-alerts.yml"
	recordingFile = "skybridge-recording.yml"
	runbooks      = "../../docs"
)

// story is series over time, and what fires over them.
type story struct {
	name string
	// series in promqltest's notation, a value a minute. NAME, J and R stand for
	// labels: see expand.
	series []string
	// fires are the alerts that fire at the end, quiet are those that could have
	// fired and never did.
	fires, quiet []string
}

// expand writes out the labels that all stories have: {J…} is a series of the
// bridge's own, R those of a receiver.
func expand(series string) string {
	series = strings.ReplaceAll(series, "{J", `{job="skybridge",instance="b:9100"`)
	return strings.ReplaceAll(series, "R", `,remote_name="mimir",url="https://mimir/push"`)
}

// length of every story.
const length = 60 * time.Minute

// tell plays a story and returns the lab at its end.
func tell(t *testing.T, s story, files ...string) *rulelab.Lab {
	t.Helper()
	input := "load 1m\n"
	for _, line := range s.series {
		input += "  " + expand(line) + "\n"
	}
	storage := promqltest.LoadedStorage(t, input)
	lab, err := rulelab.New(t.Context(), promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery), storage, files...)
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Run(t.Context(), time.Unix(0, 0), time.Unix(0, 0).Add(length), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	return lab
}

// Every alert fires where it should, with the labels that it should have and text
// that can be read, and nothing else fires beside it; and it is quiet where what it
// looks at is there and well.
func TestAlerts(t *testing.T) {
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			lab := tell(t, s, alertsFile)
			var firing []string
			for _, a := range lab.Firing() {
				firing = append(firing, a.String())
				fires[a.Name] = true
				description := a.Annotations.Get("description")
				if description == "" || strings.Contains(description, "<") || strings.Contains(description, "{{") || strings.Contains(description, "  ") {
					t.Errorf("%s says %q", a.Name, description)
				}
			}
			if diff := cmp.Diff(s.fires, firing); diff != "" {
				t.Errorf("firing (-want +got):\n%s", diff)
			}
			for _, name := range s.quiet {
				if slices.ContainsFunc(lab.Fired(), func(a rulelab.Alert) bool { return a.Name == name }) {
					t.Errorf("%s fired", name)
				}
				quiet[name] = true
				rule := find(t, lab, name)
				for _, selector := range selectors(rule.Query()) {
					found, err := lab.Value(t.Context(), "present_over_time("+selector+"[2h])", time.Unix(0, 0).Add(length))
					if err != nil {
						t.Fatal(err)
					}
					if len(found) == 0 && !strings.Contains(strings.Join(mayBeAbsent[name], " "), selector) {
						t.Errorf("%s is quiet because there is no %s", name, selector)
					}
				}
			}
		})
	}
	for _, r := range tell(t, story{}, alertsFile).Rules() {
		if !fires[r.Name()] || !quiet[r.Name()] {
			t.Errorf("%s: fires in a story: %t, is kept quiet in one: %t", r.Name(), fires[r.Name()], quiet[r.Name()])
		}
	}
}

// mayBeAbsent are selectors that a story may lack because they excuse or replace
// others.
var mayBeAbsent = map[string][]string{
	"SkybridgeLogNearBound": {`skybridge_log_disk_bytes{job="skybridge"}`, `skybridge_log_bytes{job="skybridge"}`},
}

func find(t *testing.T, lab *rulelab.Lab, name string) *rules.AlertingRule {
	t.Helper()
	for _, r := range lab.Rules() {
		if a, ok := r.(*rules.AlertingRule); ok && a.Name() == name {
			return a
		}
	}
	t.Fatalf("no alert %s", name)
	return nil
}

// selectors lists the series that an expression asks for.
func selectors(e parser.Expr) []string {
	var all []string
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			all = append(all, v.String())
		}
		return nil
	})
	return all
}

// Every alert has a severity, and a runbook that is about it; every runbook is of an
// alert.
func TestRunbooks(t *testing.T) {
	left := map[string]bool{}
	pages, err := filepath.Glob(filepath.Join(runbooks, "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		left[page] = true
	}
	for _, r := range tell(t, story{}, alertsFile).Rules() {
		a := r.(*rules.AlertingRule)
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels().Get("severity")) || a.Annotations().Get("summary") == "" {
			t.Errorf("%s has severity %q, summary %q", a.Name(), a.Labels().Get("severity"), a.Annotations().Get("summary"))
		}
		url := a.Annotations().Get("runbook_url")
		if url != "runbooks/"+a.Name()+".md" {
			t.Errorf("%s has its runbook at %q", a.Name(), url)
		}
		page := filepath.Join(runbooks, filepath.FromSlash(url))
		delete(left, page)
		text, err := os.ReadFile(page)
		if err != nil {
			t.Errorf("%s: %v", a.Name(), err)
			continue
		}
		for _, want := range []string{"# " + a.Name() + "\n", "## What it means\n", "## What to do\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q", page, want)
			}
		}
	}
	for page := range left {
		t.Errorf("%s is of no alert", page)
	}
}
