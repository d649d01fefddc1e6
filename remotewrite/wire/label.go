// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"slices"
	"strconv"
	"strings"
)

// Label is one label of a series.
type Label struct{ Name, Value string }

// NameLabel is the label that carries the metric's name.
const NameLabel = "__name__"

// SortedLabels returns a copy of labels, sorted by name.
func SortedLabels(labels []Label) []Label {
	out := slices.Clone(labels)
	slices.SortFunc(out, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// SeriesName writes labels, the metric's name among them, as PromQL does:
// name{label="value"}.
func SeriesName(labels []Label) string {
	var name string
	var rest []string
	for _, l := range labels {
		if l.Name == NameLabel {
			name = l.Value
		} else {
			rest = append(rest, l.Name+"="+strconv.Quote(l.Value))
		}
	}
	return name + "{" + strings.Join(rest, ",") + "}"
}

// LabelSet is the labels that samples of several metrics share: sorted by name, none of
// them empty, and without the metric's name. The zero value is the empty set. Strings are
// retained as long as the set is.
type LabelSet struct {
	labels []Label
	// nameAt is where the metric's name belongs: names may sort before it.
	nameAt int
	// version counts changes.
	version uint64
	own     []Label // memory for SetValues
}

// Labels returns the labels of the set, which are valid until it is changed.
func (s *LabelSet) Labels() []Label { return s.labels }

// Set makes the set labels, plus what of external they do not have: a label with an
// empty value is an absent label (data model). Both are sorted by name, no name twice,
// without __name__.
func (s *LabelSet) Set(labels, external []Label) {
	s.version++
	s.labels = s.labels[:0]
	for len(labels) > 0 || len(external) > 0 {
		var next Label
		switch {
		case len(external) == 0 || (len(labels) > 0 && labels[0].Name < external[0].Name):
			next, labels = labels[0], labels[1:]
		case len(labels) == 0 || external[0].Name < labels[0].Name:
			next, external = external[0], external[1:]
		case labels[0].Value == "":
			next, labels, external = external[0], labels[1:], external[1:]
		default: // the series' own label wins, as in Prometheus
			next, labels, external = labels[0], labels[1:], external[1:]
		}
		if next.Value != "" {
			s.labels = append(s.labels, next)
		}
	}
	s.nameAt = 0
	for s.nameAt < len(s.labels) && s.labels[s.nameAt].Name < NameLabel {
		s.nameAt++
	}
}

// SetValues is Set for labels given as names and values.
func (s *LabelSet) SetValues(names, values []string, external []Label) {
	s.own = s.own[:0]
	for i, name := range names {
		s.own = append(s.own, Label{name, values[i]})
	}
	s.Set(s.own, external)
}
