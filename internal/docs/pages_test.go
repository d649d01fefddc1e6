// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/internal/docs"
)

func pages(t *testing.T) []docs.Page {
	t.Helper()
	all, err := docs.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 40 {
		t.Errorf("only %d pages were found", len(all))
	}
	return all
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced   = regexp.MustCompile("(?ms)^[ ]*```.*?^[ ]*```")
	inline   = regexp.MustCompile("`[^`]*`")
	headline = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// anchors are the names under which GitHub puts a page's headlines.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range headline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := strings.ToLower(strings.NewReplacer("`", "", " ", "-").Replace(strings.TrimSpace(m[1])))
		all[regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(name, "")] = true
	}
	return all
}

// Every relative link leads to a file that is there, and to a headline in it.
func TestLinks(t *testing.T) {
	checked := 0
	for _, p := range pages(t) {
		text := inline.ReplaceAllString(fenced.ReplaceAllString(p.Text, ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			checked++
			to := p.Path
			if target != "" {
				to = path.Join(path.Dir(p.Path), target)
			}
			if strings.HasPrefix(to, "..") {
				t.Errorf("%s: %s leads out of the repository", p.Path, m[1])
				continue
			}
			file := filepath.Join(root, filepath.FromSlash(to))
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: dead link %s", p.Path, m[1])
				continue
			}
			if anchor == "" || path.Ext(to) != ".md" {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !anchors(string(text))[anchor] {
				t.Errorf("%s: %s has no headline #%s", p.Path, to, anchor)
			}
		}
	}
	if checked < 150 {
		t.Errorf("only %d links were found", checked)
	}
}

// The index lists every page of docs, in the chapter of its kind, by its own title
// where it is not a runbook.
func TestIndex(t *testing.T) {
	const index = "docs/README.md"
	chapters := map[string]string{} // by page
	titles := map[string]string{}
	all := pages(t)
	i := slices.IndexFunc(all, func(p docs.Page) bool { return p.Path == index })
	if i < 0 {
		t.Fatal("there is no " + index)
	}
	chapter := ""
	for line := range strings.Lines(all[i].Text) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			chapter = strings.TrimSpace(title)
		}
		for _, m := range regexp.MustCompile(`\[([^\]]+)\]\(([a-z-]+/?[\w-]*\.md)\)`).FindAllStringSubmatch(line, -1) {
			chapters["docs/"+m[2]], titles["docs/"+m[2]] = chapter, m[1]
		}
	}
	kinds := map[string]string{"how-to": "How to", "reference": "Reference", "explanation": "Explanation", "contributing": "Contributing", "runbooks": "Runbooks"}
	for _, p := range all {
		if !strings.HasPrefix(p.Path, "docs/") || p.Path == index {
			continue
		}
		want := kinds[path.Base(path.Dir(p.Path))]
		got, listed := chapters[p.Path]
		if !listed || got != want {
			t.Errorf("%s lists %s under %q, want %q", index, p.Path, got, want)
		}
		if titles[p.Path] == "" {
			t.Errorf("%s: %s has no title", index, p.Path)
		}
		if !strings.HasPrefix(p.Text, "# ") {
			t.Errorf("%s does not begin with a title", p.Path)
		}
	}
}

// Every example in YAML is something that a test reads: a configuration of skybridge
// (bridge/config), of Prometheus (here), of the port (bridge/web), or of Grafana or
// Skydive, which is YAML at least.
func TestYAMLExamples(t *testing.T) {
	prometheus := 0
	for _, p := range pages(t) {
		for _, b := range p.Blocks("yaml") {
			var top map[string]any
			if err := yaml.Unmarshal([]byte(b.Text), &top); err != nil {
				t.Errorf("%s: %v in\n%s", p.Path, err, b.Text)
				continue
			}
			has := func(keys ...string) bool {
				return slices.ContainsFunc(keys, func(key string) bool { _, ok := top[key]; return ok })
			}
			switch {
			case has("skydive", "pipeline", "tls_server_config", "basic_auth_users"):
			case has("scrape_configs", "rule_files", "storage"):
				prometheus++
				if _, err := config.Load(b.Text, slog.New(slog.DiscardHandler)); err != nil {
					t.Errorf("%s: Prometheus does not take it: %v\n%s", p.Path, err, b.Text)
				}
			case has("providers", "analyzer", "apiVersion", "services"):
			default:
				t.Errorf("%s: what is this an example of?\n%s", p.Path, b.Text)
			}
		}
	}
	if prometheus < 5 {
		t.Errorf("only %d examples for Prometheus were found", prometheus)
	}
}

// Every metric that the docs, the rules and the dashboards name is one that there is.
func TestMetricNames(t *testing.T) {
	reference, err := os.ReadFile(filepath.Join(root, "docs/reference/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|").FindAllStringSubmatch(string(reference), -1) {
		known[m[1]] = true
	}
	var texts []docs.Page
	for _, p := range pages(t) {
		if strings.HasPrefix(p.Path, "docs/") && !strings.HasPrefix(p.Path, "docs/contributing/") { // those have examples
			texts = append(texts, p)
		}
	}
	for _, glob := range []string{"deploy/prometheus/*.yml", "deploy/grafana/*.json"} {
		files, err := filepath.Glob(filepath.Join(root, glob))
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %d files, %v", glob, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, docs.Page{Path: filepath.Base(file), Text: string(text)})
		}
	}
	// What continues with * { or … is the beginning of several names; what follows a
	// colon or ends in one is a recorded series.
	name := regexp.MustCompile(`[:\w]*\b(?:skybridge|skydive_(?:network|capture)|prometheus_remote_storage)_[a-z0-9_]+[:*{…]?`)
	checked := 0
	for _, p := range texts {
		for _, found := range name.FindAllString(p.Text, -1) {
			if strings.ContainsAny(found, ":*…") || strings.HasSuffix(found, "_{") {
				continue
			}
			checked++
			found = strings.TrimSuffix(found, "{")
			base := found
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				base = strings.TrimSuffix(base, suffix)
			}
			if !known[found] && !known[base] {
				t.Errorf("%s names %s, which is not in docs/reference/metrics.md", p.Path, found)
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d names were found", checked)
	}
}
