// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Bounds on what a file may unfold to. An alias that is used ten times in an
// alias that is used ten times, and so on, would otherwise take all memory.
const (
	maxNodes = 100_000
	maxDepth = 50
	maxText  = 4 * MaxFileSize // bytes of all values: an alias may repeat a long text
)

// An expander copies a tree without aliases and merge keys.
type expander struct {
	r      *reader
	nodes  int
	text   int // bytes
	failed bool
}

// expand returns the tree under n in which every alias is replaced by what it
// names and every merge key (<<) by the pairs that it stands for, or nil after
// it has noted an error.
func (r *reader) expand(n *yaml.Node) *yaml.Node {
	e := expander{r: r}
	root := e.copy(n, 0)
	if e.failed {
		return nil
	}
	return root
}

func (e *expander) fail(line int, what, remedy string) *yaml.Node {
	if !e.failed {
		e.r.fail(line, what, remedy)
	}
	e.failed = true
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: line}
}

func (e *expander) copy(n *yaml.Node, depth int) *yaml.Node {
	if e.failed {
		return n
	}
	e.nodes++
	if e.nodes > maxNodes {
		return e.fail(n.Line, fmt.Sprintf("the file has more than %d values, those that aliases (*) repeat included", maxNodes),
			"shorten it, or use fewer aliases")
	}
	e.text += len(n.Value)
	if e.text > maxText {
		return e.fail(n.Line, fmt.Sprintf("the values of the file have more than %d KiB, those that aliases (*) repeat included", maxText>>10),
			"shorten it, or use fewer aliases")
	}
	if depth > maxDepth {
		return e.fail(n.Line, fmt.Sprintf("values are nested more than %d deep", maxDepth),
			"nest less deeply; an alias (*) must not stand inside what it names")
	}
	if n.Kind == yaml.AliasNode {
		return e.copy(n.Alias, depth+1)
	}
	if n.Style&yaml.TaggedStyle != 0 && (n.Kind != yaml.ScalarNode || n.Tag != "!!str") {
		return e.fail(n.Line, "a tag (!) stands before a value", "remove the tag, or put a value that begins with ! in quotes")
	}
	out := *n
	out.Anchor, out.Alias = "", nil
	switch n.Kind {
	case yaml.MappingNode:
		out.Content = e.pairs(n, depth)
	case yaml.SequenceNode:
		out.Content = make([]*yaml.Node, len(n.Content))
		for i, item := range n.Content {
			out.Content[i] = e.copy(item, depth+1)
		}
	}
	return &out
}

// pairs returns the keys and values of a mapping, merged ones last. Its own
// pairs may repeat a key, which is for the caller to judge; a merged one never
// does.
func (e *expander) pairs(n *yaml.Node, depth int) []*yaml.Node {
	out := make([]*yaml.Node, 0, len(n.Content))
	seen := make(map[string]bool, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merges = append(merges, n.Content[i+1])
			continue
		}
		key = e.copy(key, depth+1)
		if key.Kind != yaml.ScalarNode || isNull(key) {
			e.fail(key.Line, "a key is empty or not a plain word", "write key: value; put a value that contains { } [ ] or ? in quotes")
			return nil
		}
		seen[key.Value] = true
		out = append(out, key, e.copy(n.Content[i+1], depth+1))
	}
	for _, m := range merges {
		out = e.merge(out, seen, m, depth+1)
	}
	return out
}

// merge adds the pairs of source, a mapping or a list of mappings, whose keys
// are not yet in seen.
func (e *expander) merge(out []*yaml.Node, seen map[string]bool, source *yaml.Node, depth int) []*yaml.Node {
	source = e.copy(source, depth)
	sources := []*yaml.Node{source}
	if source.Kind == yaml.SequenceNode {
		sources = source.Content
	}
	for _, m := range sources {
		if e.failed {
			return out
		}
		if m.Kind != yaml.MappingNode {
			e.fail(m.Line, "a merge key (<<) must name a mapping, it names a "+kindName(m), "write <<: *name, where &name stands before a mapping")
			return out
		}
		for i := 0; i+1 < len(m.Content); i += 2 {
			if key := m.Content[i]; !seen[key.Value] {
				seen[key.Value] = true
				out = append(out, key, m.Content[i+1])
			}
		}
	}
	return out
}

// isNull reports whether nothing was written.
func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

// kindName says what a node is, without its value.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	case yaml.AliasNode:
		return "alias"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "number"
	case "!!bool":
		return "boolean (true or false)"
	case "!!null":
		return "empty value"
	case "!!timestamp":
		return "date"
	}
	return "string"
}
