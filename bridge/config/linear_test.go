// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"
)

// many is far more than a file can hold: searching a list of so many for each of its
// items takes minutes, and so each of the lists below would keep the test from ending.
const many = 200_000

// TestLongListsAreReadOnce proves that reading a list, and a mapping whose keys the
// file's writer chose, takes no more than a look at each of its items: also where the
// last one is the same as the first.
func TestLongListsAreReadOnce(t *testing.T) {
	list := func(text func(i int) string) *yaml.Node {
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range many {
			n.Content = append(n.Content, textNode(text(i)))
		}
		n.Content = append(n.Content, n.Content[0])
		return n
	}
	prefix := func(i int) string { return fmt.Sprintf("10.%d.%d.%d/32", i>>16, i>>8&255, i&255) }
	analyzer := func(i int) string { return fmt.Sprintf("ws://a%d:8082", i) }
	ports := func(i int) string { return fmt.Sprintf("%d-%d", 1+i/1000, 1001+i%1000) }
	number := func(i int) string { return fmt.Sprint(i) }
	names := newMapping()
	for i := range many {
		add(names, number(i), &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{textNode(prefix(i))}})
	}
	for _, c := range []struct {
		section, key     string
		value            *yaml.Node
		errors, warnings int
	}{
		{"aggregation", "cluster_networks", list(prefix), 1, 1}, // an error each: no analyzer
		{"aggregation", "exclude_networks", list(prefix), 2, 1}, // too many
		{"aggregation", "exclude_applications", list(analyzer), 3, 0},
		{"aggregation", "service_ports", list(ports), 1, 2}, // of no effect as well
		{"aggregation", "networks", names, 2, 1},            // too many, and of no effect
		{"skydive", "analyzers", list(analyzer), 2, 0},      // too many
		{"skydive", "capture_ids", list(number), 2, 0},
		{"global", "external_labels", names, many + 1, 0}, // none of them is the name of a label
	} {
		top, section := newMapping(), newMapping()
		add(section, c.key, c.value)
		add(top, c.section, section)
		r, config := newReader("f", "", Process{}), Default()
		v := reflect.ValueOf(&config).Elem()
		r.object(top, v, "")
		r.validate(v, "")
		if len(r.errs) != c.errors || len(r.warnings) != c.warnings {
			t.Errorf("%s: %d errors and %d warnings, want %d and %d", c.key, len(r.errs), len(r.warnings), c.errors, c.warnings)
		}
	}
}

// TestUnknownKeysAreNotGuessedWithoutEnd proves that only keys whose error is shown are
// compared with all that are known.
func TestUnknownKeysAreNotGuessedWithoutEnd(t *testing.T) {
	r, m := newReader("f", "", Process{}), newMapping()
	for i := range many {
		add(m, fmt.Sprintf("cluster_network_of_our_own_%d", i), textNode(""))
	}
	r.object(m, reflect.ValueOf(new(Aggregation)).Elem(), "aggregation")
	if len(r.errs) != many {
		t.Fatalf("%d errors, want %d", len(r.errs), many)
	}
	for i, err := range r.errs {
		if guessed := err.Remedy != "remove it"; guessed != (i < maxErrorsShown) {
			t.Fatalf("error %d of %d: remedy %q", i, many, err.Remedy)
		}
	}
}
