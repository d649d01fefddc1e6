// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package rulelab evaluates rule files against series, step by step, with Prometheus'
// own rule groups and engine: what fires here fires there.
package rulelab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// Storage is where rules read series and write those that they record.
type Storage interface {
	storage.Appendable
	storage.Queryable
}

// Lab is rules over a storage. It is not safe for concurrent use.
type Lab struct {
	groups []*rules.Group
	query  rules.QueryFunc
	fired  map[string]Alert // by String
}

// Alert is an alert that fired.
type Alert struct {
	Name string
	// Labels are the alert's own, without alertname; Annotations are rendered.
	Labels, Annotations labels.Labels
}

// New loads the rule files. What is wrong with them is an error.
func New(ctx context.Context, engine *promql.Engine, over Storage, files ...string) (*Lab, error) {
	query := rules.EngineQueryFunc(engine, over)
	manager := rules.NewManager(&rules.ManagerOptions{
		Context: ctx, QueryFunc: query, Appendable: over, Queryable: over,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     slog.New(slog.DiscardHandler),
		Parser:     parser.NewParser(parser.Options{}),
	})
	loaded, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, files...)
	if len(errs) > 0 {
		return nil, fmt.Errorf("rulelab: load %s: %w", files, errors.Join(errs...))
	}
	lab := &Lab{query: query, fired: map[string]Alert{}}
	for _, key := range slices.Sorted(maps.Keys(loaded)) {
		lab.groups = append(lab.groups, loaded[key])
	}
	return lab, nil
}

// Rules lists all rules of the files.
func (l *Lab) Rules() []rules.Rule {
	var all []rules.Rule
	for _, g := range l.groups {
		all = append(all, g.Rules()...)
	}
	return all
}

// Run evaluates every rule from one time to another, both included, each step. A rule
// that cannot be evaluated is an error.
func (l *Lab) Run(ctx context.Context, from, to time.Time, step time.Duration) error {
	for at := from; !at.After(to); at = at.Add(step) {
		for _, g := range l.groups {
			g.Eval(ctx, at)
			for _, r := range g.Rules() {
				if err := r.LastError(); err != nil {
					return fmt.Errorf("rulelab: rule %s at %s: %w", r.Name(), at.UTC(), err)
				}
			}
		}
		for _, a := range l.Firing() {
			l.fired[a.String()] = a
		}
	}
	return nil
}

// Firing lists the alerts that fire after the last step, in order.
func (l *Lab) Firing() []Alert {
	var firing []Alert
	for _, r := range l.Rules() {
		alerting, ok := r.(*rules.AlertingRule)
		if !ok {
			continue
		}
		for _, a := range alerting.ActiveAlerts() {
			if a.State == rules.StateFiring {
				firing = append(firing, Alert{
					Name:        alerting.Name(),
					Labels:      labels.NewBuilder(a.Labels).Del(labels.AlertName).Labels(),
					Annotations: a.Annotations,
				})
			}
		}
	}
	slices.SortFunc(firing, compare)
	return firing
}

// Fired lists every alert that fired after any step, in order.
func (l *Lab) Fired() []Alert { return slices.SortedFunc(maps.Values(l.fired), compare) }

// Value evaluates an expression over the storage.
func (l *Lab) Value(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	return l.query(ctx, expr, at)
}

// String is the alert as a test expects it: its name, and its labels without
// severity, job and instance.
func (a Alert) String() string {
	return a.Name + labels.NewBuilder(a.Labels).Del("severity", "job", "instance").Labels().String()
}

func compare(a, b Alert) int {
	if a.Name != b.Name {
		if a.Name < b.Name {
			return -1
		}
		return 1
	}
	return labels.Compare(a.Labels, b.Labels)
}
