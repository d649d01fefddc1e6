// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/aggregator"
)

// filter tells which connections a reader wants to see: those that match each of its
// terms. A term is part of a label's value or of a name, or label=value for all of a
// value. The case of ASCII letters does not matter.
type filter struct {
	terms []term
	names Names // nil: none
}

type term struct {
	text         string // lower case
	label, value string // of label=value; "" it is none
}

func newFilter(text string, names Names) *filter {
	f := &filter{names: names}
	for word := range strings.FieldsSeq(text) {
		t := term{text: lower(word)}
		if label, value, ok := strings.Cut(t.text, "="); ok && slices.Contains(aggregator.AllLabels(), label) {
			t.label, t.value = label, value
		}
		f.terms = append(f.terms, t)
	}
	return f
}

// match says whether a row passes.
func (f *filter) match(row *aggregator.TrafficRow) bool {
	for i := range f.terms {
		if !f.matchTerm(&f.terms[i], row) {
			return false
		}
	}
	return true
}

func (f *filter) matchTerm(t *term, row *aggregator.TrafficRow) bool {
	if t.label != "" {
		value := labelOf(row, t.label)
		return len(value) == len(t.value) && containsFold(value, t.value)
	}
	// No term has the separator in it, so none matches across two values.
	if containsFold(row.Values, t.text) {
		return true
	}
	if f.names == nil {
		return false
	}
	n := namesOf(row, f.names)
	return containsFold(n.Initiator, t.text) || containsFold(n.Target, t.text) ||
		containsFold(n.Node, t.text) || containsFold(n.Host, t.text)
}

// labelOf returns a row's value of a label, "" where it has none.
func labelOf(row *aggregator.TrafficRow, label string) string {
	rest := row.Values
	for i, name := range row.Layout.Names {
		if i == row.Layout.Direction {
			continue
		}
		var value string
		value, rest, _ = strings.Cut(rest, separatorString)
		if name == label {
			return value
		}
	}
	return ""
}

// rowNames are what is known of a connection's ends and of the node that reported
// it, beside its labels.
type rowNames struct {
	Initiator string `json:"initiator,omitempty"`
	Target    string `json:"target,omitempty"`
	Node      string `json:"node,omitempty"`
	Host      string `json:"host,omitempty"`
}

func namesOf(row *aggregator.TrafficRow, names Names) (n rowNames) {
	rest := row.Values
	for i, name := range row.Layout.Names {
		if i == row.Layout.Direction {
			continue
		}
		var value string
		value, rest, _ = strings.Cut(rest, separatorString)
		switch {
		case value == "":
		case name == "initiator_ip":
			n.Initiator = names.KnownAddress(value)
		case name == "target_ip":
			n.Target = names.KnownAddress(value)
		case name == "node_tid":
			node := names.KnownNode(value)
			n.Node, n.Host = node.Name, node.Host
		}
	}
	return n
}

// lower is strings.ToLower for ASCII.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// containsFold says whether s contains part, which is in lower case, whatever the
// case of s. It allocates nothing.
func containsFold(s, part string) bool {
	if part == "" {
		return true
	}
	for i := 0; i+len(part) <= len(s); i++ {
		j := 0
		for ; j < len(part); j++ {
			c := s[i+j]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != part[j] {
				break
			}
		}
		if j == len(part) {
			return true
		}
	}
	return false
}
