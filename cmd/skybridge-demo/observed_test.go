// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/docs"
	"github.com/skydive-project/skybridge/internal/prom"
)

const (
	root       = "../../"
	alerts     = root + "deploy/prometheus/skybridge-alerts.yml"
	recordings = root + "deploy/prometheus/skybridge-recording.yml"
)

// question is a query that somebody is offered.
type question struct {
	from, query string
	legend      string // of a dashboard: names labels that there must be
}

// unhappy are queries that a world without trouble does not answer, by a part of
// their text, with the test in which one with trouble does.
var unhappy = map[string]string{
	`reason=~"relabel_collision|relabel_invalid"`: "bridge.TestPushAlerts",
	`{initiator_ip="other"}`:                      "TestBoundsAreAnswered",
}

func isUnhappy(q question) bool {
	for part := range unhappy {
		if strings.Contains(q.query, part) {
			return true
		}
	}
	return false
}

// Whatever the dashboards, the rules and the docs ask is answered by what the demo
// really produced, the bridge's own metrics as really scraped.
func TestEverythingOfferedIsAnswered(t *testing.T) {
	all := slices.Concat(ofDashboards(t), ofRules(t), ofDocs(t))
	if len(all) < 140 {
		t.Errorf("only %d queries were found", len(all))
	}
	ask(t, slices.DeleteFunc(all, isUnhappy), map[string]any{
		"labels": []string{
			"initiator_ip", "target_ip", "initiator_port", "target_port", "direction", "node_tid", "protocol", "application",
			"flow_class", "initiator_name", "target_name", "host", "initiator_network", "target_network",
		},
		"cluster_networks": []string{"10.42.0.0/16"},
		// How many flows are known is exported once the feed has been whole for that long.
		"connection_timeout": "20s", "flow_retention": "25s",
		"networks": map[string][]string{"front": {"10.42.0.0/24"}, "back": {"10.42.1.0/24"}},
	})
}

// What asks for the overflow is answered where there is one.
func TestBoundsAreAnswered(t *testing.T) {
	all := slices.DeleteFunc(ofDocs(t), func(q question) bool { return !strings.Contains(q.query, `{initiator_ip="other"}`) })
	if len(all) == 0 {
		t.Error("no one asks for it")
	}
	ask(t, all, map[string]any{"max_series": 100})
}

// ask runs a demo with this aggregation until every question has an answer.
func ask(t *testing.T, left []question, aggregation map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, logs, ended := &await.Logs{}, &await.Logs{}, make(chan error, 1)
	go func() {
		ended <- demonstrate(ctx, options{
			WebAddress: "127.0.0.1:0", PrometheusAddress: "127.0.0.1:0", FeedAddress: "127.0.0.1:0", PushInterval: time.Second,
			Traffic:     trafficOptions{Seed: 1, Update: 2 * time.Second, Expire: 10 * time.Second},
			StoragePath: t.TempDir(), Aggregation: aggregation,
			Out: out, Logger: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
	}()
	awaitText(t, out, "Ctrl-C ends it", ended)
	client := prom.NewClient(regexp.MustCompile(`Prometheus  (http://\S+)/ `).FindStringSubmatch(out.String())[1])
	defer client.Close()

	// Rates need two scrapes, and some metrics an update or a topology.
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for rounds := 0; len(left) > 0 && rounds < 150; rounds++ {
		left = slices.DeleteFunc(left, func(q question) bool {
			found, err := client.Query(ctx, q.query, time.Now())
			if err != nil {
				t.Fatalf("%s: %s: %v", q.from, q.query, err)
			}
			return len(found) > 0 && named(q, found)
		})
		<-ticker.C
	}
	for _, q := range left {
		t.Errorf("%s: not answered, or without a label of its legend %q:\n%s", q.from, q.legend, q.query)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if text := logs.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("it complained:\n%s", text)
	}
}

var placeholder = regexp.MustCompile(`{{(\w+)}}`)

// named tells whether some series has all the labels that the legend names.
func named(q question, found []prom.Series) bool {
	return slices.ContainsFunc(found, func(s prom.Series) bool {
		for _, m := range placeholder.FindAllStringSubmatch(q.legend, -1) {
			if s.Labels.Get(m[1]) == "" {
				return false
			}
		}
		return true
	})
}

func ofDashboards(t *testing.T) (all []question) {
	files, err := filepath.Glob(root + "deploy/grafana/*.json")
	if err != nil {
		t.Fatal(err)
	}
	// Grafana's rate interval is four scrapes at least.
	expand := strings.NewReplacer("$__rate_interval", "10s", "$window", "21s", "$node", ".+", "$job", ".+", "$instance", ".+")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ Expr, LegendFormat string }
			}
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				all = append(all, question{d.Title + ": " + p.Title, expand.Replace(q.Expr), q.LegendFormat})
			}
		}
	}
	return all
}

// ofRules asks what is recorded and, of an alert, for every series that it looks at
// and for what it compares: whether it fires is tried in deploy/prometheus.
func ofRules(t *testing.T) (all []question) {
	for _, file := range []string{alerts, recordings} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups rulefmt.RuleGroups
		if err := yaml.Unmarshal(text, &groups); err != nil {
			t.Fatal(err)
		}
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				if r.Record != "" {
					all = append(all, question{from: r.Record, query: r.Expr})
					continue
				}
				all = append(all, ofExpression(t, r.Alert, r.Expr)...)
			}
		}
	}
	return all
}

func ofExpression(t *testing.T, from, expr string) (all []question) {
	e, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatal(err)
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			all = append(all, question{from: from, query: n.String()})
		case *parser.BinaryExpr:
			if n.Op.IsComparisonOperator() {
				all = append(all, question{from: from, query: n.LHS.String()})
			}
		}
		return nil
	})
	return all
}

// ofDocs asks what the docs tell people to ask. A comparison at the end of one is
// there to find trouble, so what it compares is asked.
func ofDocs(t *testing.T) (all []question) {
	pages, err := docs.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	p := parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true})
	for _, page := range pages {
		for _, query := range queriesOf(page) {
			e, err := p.ParseExpr(query)
			if err != nil {
				t.Errorf("%s: %v in\n%s", page.Path, err, query)
				continue
			}
			if comparison, ok := e.(*parser.BinaryExpr); ok && comparison.Op.IsComparisonOperator() {
				query = comparison.LHS.String()
			}
			all = append(all, question{from: page.Path, query: query})
		}
	}
	return all
}

// queriesOf lists the PromQL queries of a page: of each promql block what stands
// between empty lines or comments.
func queriesOf(p docs.Page) []string {
	var queries []string
	for _, b := range p.Blocks("promql") {
		var query []string
		flush := func() {
			if text := strings.TrimSpace(strings.Join(query, "\n")); text != "" {
				queries = append(queries, text)
			}
			query = nil
		}
		for line := range strings.Lines(b.Text) {
			trimmed := strings.TrimSpace(line)
			if trimmed == "" || strings.HasPrefix(trimmed, "#") {
				flush()
				continue
			}
			query = append(query, strings.TrimRight(line, "\n"))
		}
		flush()
	}
	return queries
}

// What is scraped here is what deploy/prometheus tells to scrape.
func TestScrapeAsDeployed(t *testing.T) {
	text, err := os.ReadFile(root + "deploy/prometheus/scrape.yml")
	if err != nil {
		t.Fatal(err)
	}
	var jobs []*config.ScrapeConfig
	for _, text := range []string{string(text), scrapeConfig("127.0.0.1:9100", time.Minute)} {
		cfg, err := config.Load(text, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, cfg.ScrapeConfigs...)
	}
	if len(jobs) != 2 || jobs[0].JobName != jobs[1].JobName || jobs[0].JobName != "skybridge" ||
		!slices.Equal(jobs[0].Params["collect[]"], jobs[1].Params["collect[]"]) {
		t.Errorf("%+v", jobs)
	}
}
