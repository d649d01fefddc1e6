// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package grafana_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
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

// load reads every dashboard of this directory.
func load(t *testing.T) (all []Dashboard) {
	t.Helper()
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := Dashboard{File: file, Text: string(text)}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	return all
}
