// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/prom"
)

var update = flag.Bool("update", false, "write the golden files and docs/reference/metrics.md again")

// TestMetricsReference holds docs/reference/metrics.md against what a running
// bridge serves. With -update it writes the file.
func TestMetricsReference(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.configure("", "")
	r.dir = t.TempDir() // a storage path has metrics of its own
	r.Analyzers[0].SetTopology(recordedTopology(t), nil)
	r.start()
	r.awaitTicks(2) // counters begin from here on
	r.Analyzers[0].SendStats(analyzer.Stats{CaptureID: "c1"})
	r.play(50)
	r.awaitInterfaces(5)
	page := r.page("/metrics")
	golden(t, "../docs/reference/metrics.md", metricsPage(page))
}

type family struct {
	kind, help string
	labels     map[string]bool
}

// metricsPage is the reference as Markdown, made of a page in the text format.
func metricsPage(page string) string {
	families := map[string]*family{}
	label := regexp.MustCompile(`([a-z0-9_]+)="`)
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		fields := strings.SplitN(line, " ", 4)
		switch {
		case strings.HasPrefix(line, "# HELP "):
			families[fields[2]] = &family{help: fields[3], labels: map[string]bool{}}
		case strings.HasPrefix(line, "# TYPE "):
			families[fields[2]].kind = fields[3]
		default:
			name, _, _ := strings.Cut(fields[0], "{")
			for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
				f := families[strings.TrimSuffix(name, suffix)]
				if f == nil {
					continue
				}
				for _, m := range label.FindAllStringSubmatch(line, -1) {
					if m[1] != "le" {
						f.labels[m[1]] = true
					}
				}
			}
		}
	}
	for _, f := range aggregator.CaptureFamilies() { // not every capture has all of them at once
		if families[f.Name] == nil {
			families[f.Name] = &family{kind: "gauge", help: f.Help, labels: map[string]bool{"capture_id": true}}
		}
	}
	var b strings.Builder
	b.WriteString("# Metrics\n\nEvery metric on `/metrics`. `collect[]=connections`, `interfaces`, `captures` or `self`\nselects a part of them; all but `self` are pushed.\n")
	for _, section := range []struct{ title, prefix string }{
		{"Connections", "skydive_network_connection_"},
		{"Network interfaces", "skydive_network_interface_"},
		{"Captures", "skydive_capture_"},
		{"The bridge", "skybridge_"},
		{"Pushing, with the names used by Prometheus", "prometheus_remote_storage_"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | |\n|---|---|---|---|\n", section.title)
		for _, name := range slices.Sorted(maps.Keys(families)) {
			if f := families[name]; strings.HasPrefix(name, section.prefix) {
				labels := strings.Join(slices.Sorted(maps.Keys(f.labels)), ", ")
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, f.kind, labels, f.help)
			}
		}
	}
	b.WriteString("\nThe standard `go_*` and `process_*` metrics are there as well.\n")
	return b.String()
}
