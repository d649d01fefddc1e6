// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
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
	names := mapping()
	for i := range many {
		add(names, number(i), &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{textNode(prefix(i))}})
	}
	aggregation := func(r *reader, o *object) {
		c := Default().Aggregation
		r.aggregation(o, &c)
	}
	skydive := func(r *reader, o *object) { r.skydive(o, &Skydive{}) }
	for _, c := range []struct {
		key              string
		value            *yaml.Node
		read             func(*reader, *object)
		errors, warnings int
	}{
		{"cluster_networks", list(prefix), aggregation, 0, 1},
		{"exclude_networks", list(prefix), aggregation, 1, 1}, // too many
		{"exclude_applications", list(analyzer), aggregation, 2, 0},
		{"service_ports", list(ports), aggregation, 0, 2}, // of no effect as well
		{"networks", names, aggregation, 1, 1},            // too many, and of no effect
		{"analyzers", list(analyzer), skydive, 1, 0},
		{"capture_ids", list(number), skydive, 2, 0}, // no analyzer as well
		{"cluster_net_masks", list(prefix), func(r *reader, o *object) { r.prefixes(o, "cluster_net_masks") }, 0, 1},
	} {
		r, top := &reader{}, mapping()
		add(top, c.key, c.value)
		c.read(r, r.object(top, "", false))
		if len(r.errs) != c.errors || len(r.warnings) != c.warnings {
			t.Errorf("%s: %d errors and %d warnings, want %d and %d", c.key, len(r.errs), len(r.warnings), c.errors, c.warnings)
		}
	}
}

// TestUnknownKeysAreNotGuessedWithoutEnd proves that only keys whose error is shown are
// compared with all that are known.
func TestUnknownKeysAreNotGuessedWithoutEnd(t *testing.T) {
	r, m := &reader{}, mapping()
	for i := range many {
		add(m, fmt.Sprintf("cluster_network_of_our_own_%d", i), textNode(""))
	}
	c := Default().Aggregation
	r.aggregation(r.object(m, "aggregation", false), &c)
	if len(r.errs) != many {
		t.Fatalf("%d errors, want %d", len(r.errs), many)
	}
	for i, err := range r.errs {
		if guessed := err.Remedy != "remove it"; guessed != (i < maxErrorsShown) {
			t.Fatalf("error %d of %d: remedy %q", i, many, err.Remedy)
		}
	}
}
