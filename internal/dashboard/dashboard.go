// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package dashboard reads Grafana dashboards as they lie in deploy/grafana, so that
// tests can hold them to what they should be and ask what they ask.
package dashboard

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Dashboard is one file, as far as tests look at it.
type Dashboard struct {
	File       string `json:"-"`
	Text       string `json:"-"`
	UID        string
	Title      string
	Tags       []string
	Panels     []Panel
	Templating struct{ List []Variable }
}

// Variable is a choice at a dashboard's head.
type Variable struct {
	Name, Label, Type, Definition string
	Datasource                    *Source
	Current                       struct{ Value any }
}

// Source is where a panel or target reads from.
type Source struct{ Type, UID string }

// Panel is one picture. A row has none of the rest but a title.
type Panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               *Source
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []Target
}

// Target is a query of a panel.
type Target struct {
	Expr, LegendFormat, RefID string
	Datasource                *Source
	Instant                   bool
}

// Load reads every dashboard of a directory.
func Load(dir string) ([]Dashboard, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	var all []Dashboard
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("dashboard: %w", err)
		}
		d := Dashboard{File: filepath.Base(file), Text: string(text)}
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("dashboard: %s: %w", file, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// Expand puts values in place of a query's variables, as Grafana does.
func Expand(expr string, values map[string]string) string {
	pairs := make([]string, 0, 2*len(values))
	for name, value := range values {
		pairs = append(pairs, "$"+name, value)
	}
	return strings.NewReplacer(pairs...).Replace(expr)
}
