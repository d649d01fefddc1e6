// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"bytes"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
)

// filter tells which connections a reader wants to see: those that match each of its
// terms. A term is part of a label's value or of a name, or label=value for all of a
// value. The case of ASCII letters does not matter. It is for one goroutine.
type filter struct {
	terms   []term
	names   Names  // nil: none
	scratch []byte // a text in lower case
}

type term struct {
	text         []byte // lower case
	label, value string // of label=value; "" it is none
}

func newFilter(text string, names Names) *filter {
	f := &filter{names: names}
	for word := range strings.FieldsSeq(text) {
		f.terms = append(f.terms, newTerm(word))
	}
	return f
}

func newTerm(word string) term {
	t := term{text: appendLower(nil, word)}
	if name, value, ok := strings.Cut(string(t.text), "="); ok && slices.Contains(label.All(), name) {
		t.label, t.value = name, value
	}
	return t
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
		return len(value) == len(t.value) && string(f.lower(value)) == t.value
	}
	// No term has the separator in it, so none matches across two values.
	if f.contains(row.Values, t.text) {
		return true
	}
	if f.names == nil {
		return false
	}
	n := namesOf(row, f.names)
	return f.contains(n.Initiator, t.text) || f.contains(n.Target, t.text) ||
		f.contains(n.Node, t.text) || f.contains(n.Host, t.text)
}

// labelOf returns a row's value of a label, "" where it has none.
func labelOf(row *aggregator.TrafficRow, name string) string {
	for i, value := range row.Layout.Values(row.Values) {
		if row.Layout.Names[i] == name {
			return value
		}
	}
	return ""
}

// Names says what addresses and nodes are called, for a person's eye. Its methods
// answer at once, "" where nothing is known, and change nothing by being called.
type Names interface {
	KnownNode(tid string) label.NodeNames
	KnownAddress(addr string) string
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
	for i, value := range row.Layout.Values(row.Values) {
		switch name := row.Layout.Names[i]; {
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

// contains says whether s contains part, which is in lower case, whatever the case
// of s. The time that it takes grows with the length of s, not with that of part, and
// it allocates nothing but for the longest s.
func (f *filter) contains(s string, part []byte) bool { return bytes.Contains(f.lower(s), part) }

// lower returns s in lower case, until the next call.
func (f *filter) lower(s string) []byte {
	f.scratch = appendLower(f.scratch[:0], s)
	return f.scratch
}

// appendLower appends strings.ToLower of s, for ASCII.
func appendLower(to []byte, s string) []byte {
	from := len(to)
	to = append(to, s...)
	for i, c := range to[from:] {
		if 'A' <= c && c <= 'Z' {
			to[from+i] = c + 'a' - 'A'
		}
	}
	return to
}
