// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxFileSize is the size in bytes up to which a file is read. The largest
// sensible file, thousands of cluster networks, is a tenth of it.
const MaxFileSize = 1 << 20

// document returns the root of the one document in data, aliases and merge keys
// resolved, or nil after it has noted an error.
func (r *reader) document(data []byte) *yaml.Node {
	if len(data) > MaxFileSize {
		r.failLine(0, fmt.Sprintf("the file is larger than %d KiB", MaxFileSize>>10),
			"check that it is a configuration file")
		return nil
	}
	root, second, err := documents(data)
	switch {
	case err != nil:
		r.failLine(syntaxError(data, err))
		return nil
	case isNull(root):
		r.failLine(0, "the file is empty", "set at least skydive.analyzers")
		return nil
	case !isNull(second): // a closing "---" is harmless
		r.failLine(second.Line, "a second document begins", "keep one document in a file, and remove the line ---")
		return nil
	}
	if root.Kind != yaml.MappingNode && root.Kind != yaml.AliasNode {
		r.failLine(root.Line, "the file must be a mapping (key: value), it is a "+kindName(root),
			"begin with a key such as skydive:")
		return nil
	}
	return r.expand(root)
}

// documents returns the roots of the first two documents in data, nil where there are
// none. The parser is foreign code that is fed hostile input: what it cannot take is an
// error of the file, never the end of the process.
func documents(data []byte) (first, second *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the YAML parser failed")
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var roots [2]*yaml.Node
	for i := range roots {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil, err
		}
		roots[i] = doc.Content[0]
	}
	return roots[0], roots[1], nil
}

// A syntaxHint says what to do about the parser's errors that contain match.
type syntaxHint struct{ match, remedy string }

// syntaxHints lists all texts of the YAML parser that are passed on. None of
// them quotes the file; other texts can, so they are replaced.
func syntaxHints() []syntaxHint {
	const (
		indentation = "check the indentation here and above; keys of one mapping begin in the same column"
		quote       = "put the value in quotes"
	)
	return []syntaxHint{
		{"mapping values are not allowed in this context", "check the indentation, and put a value that contains a colon and a space in quotes"},
		{"could not find expected ':'", "write a colon and a space between key and value"},
		{"found character that cannot start any token", "put a value that begins with @, ` or % in quotes"},
		{"did not find expected key", indentation},
		{"did not find expected '-' indicator", indentation},
		{"did not find expected <document start>", indentation},
		{"block sequence entries are not allowed in this context", indentation},
		{"did not find expected node content", quote},
		{"did not find expected ',' or ']'", "close the list with ]"},
		{"did not find expected ',' or '}'", "close the mapping with }"},
		{"found unexpected end of stream", "close the quote or bracket that is open"},
		{"found unexpected document indicator", "close the quote or bracket that is open"},
		{"found unknown escape character", `put the value in single quotes, or write \\ for a backslash`},
		{"did not find expected comment or line break", quote},
		{"did not find expected alphabetic or numeric character", quote},
		{"did not find expected whitespace or line break", quote},
		{"exceeded max depth", "nest less deeply"},
	}
}

var (
	syntaxLine    = regexp.MustCompile(`^yaml: line (\d+): `)
	unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced$`)
)

// syntaxError explains an error of the YAML parser, whose text must not be trusted: it can
// quote the file ("unknown anchor 'pa55word'"). The line is that of the scanner; the
// grammar's is one too low, and that where the mapping begins, which helps only to find
// a bracket that is open.
func syntaxError(data []byte, err error) (line int, what, remedy string) {
	text := err.Error()
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	if strings.Contains(text, "did not find expected") {
		lines, bracket := bytes.SplitAfter(data, []byte("\n")), strings.ContainsAny(text, "]}")
		at := noticed(lines, text)
		if bracket && bytes.Contains(lines[at-1], []byte("${")) {
			return at, "${…} stands in [ ] or { } without quotes, where braces begin a mapping", "put it in quotes if it is meant; environment variables are expanded in global.external_labels only"
		}
		if line++; !bracket {
			line = at
		}
	}
	line = min(max(line, 1), bytes.Count(data, []byte("\n"))+1)

	if m := unknownAnchor.FindStringSubmatch(text); m != nil {
		return lineOf(data, bytes.Index(data, []byte("*"+m[1]))), "an alias (*) names an anchor (&) that does not exist",
			"put a value that begins with * in quotes"
	}
	if !utf8.Valid(data) {
		at := 0
		for c, size := utf8.DecodeRune(data); c != utf8.RuneError || size > 1; c, size = utf8.DecodeRune(data[at:]) {
			at += size
		}
		return lineOf(data, at), "the file is not valid UTF-8", "save it as UTF-8"
	}
	if strings.Contains(text, "control characters are not allowed") {
		at := bytes.IndexFunc(data, func(c rune) bool { return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7F })
		return lineOf(data, at), "a control character stands in the file", "remove it, or save the file as UTF-8"
	}
	if at := tabIndentation(data); at > 0 && at <= line {
		return at, "a tab stands in the indentation", "indent with spaces; YAML allows no tabs there"
	}
	for _, hint := range syntaxHints() {
		if strings.Contains(text, hint.match) {
			return line, "this is not valid YAML (" + hint.match + ")", hint.remedy
		}
	}
	return line, "this is not valid YAML", "check the line and the one above"
}

// noticed returns the line at which the parser comes to the error of that text: the last
// one of the shortest beginning that has the same.
func noticed(lines [][]byte, text string) int {
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		_, _, err := documents(bytes.Join(lines[:i+1], nil))
		return err != nil && err.Error() == text
	})
}

// lineOf returns the line of the byte at offset at, 1 for a negative one.
func lineOf(data []byte, at int) int {
	return bytes.Count(data[:max(at, 0)], []byte("\n")) + 1
}

// tabIndentation returns the first line that has a tab before its text, or 0.
func tabIndentation(data []byte) int {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := bytes.TrimLeft(line, " \t")
		if len(text) > 0 && text[0] != '#' && text[0] != '\n' && bytes.ContainsRune(line[:len(line)-len(text)], '\t') {
			return n
		}
	}
	return 0
}

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
		e.r.failLine(line, what, remedy)
	}
	e.failed = true
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: line}
}

func (e *expander) copy(n *yaml.Node, depth int) *yaml.Node {
	if e.failed {
		return n
	}
	e.nodes++
	e.text += len(n.Value)
	const fewer = "shorten it, or use fewer aliases"
	switch {
	case e.nodes > maxNodes:
		return e.fail(n.Line, fmt.Sprintf("the file has more than %d values, those that aliases (*) repeat included", maxNodes), fewer)
	case e.text > maxText:
		return e.fail(n.Line, fmt.Sprintf("the values of the file have more than %d KiB, those that aliases (*) repeat included", maxText>>10), fewer)
	case depth > maxDepth:
		return e.fail(n.Line, fmt.Sprintf("values are nested more than %d deep", maxDepth), "nest less deeply; an alias (*) must not stand inside what it names")
	case n.Kind == yaml.AliasNode:
		return e.copy(n.Alias, depth+1)
	case n.Style&yaml.TaggedStyle != 0 && (n.Kind != yaml.ScalarNode || n.Tag != "!!str"):
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
	if kind, ok := map[string]string{"!!int": "number", "!!float": "number", "!!bool": "boolean (true or false)", "!!null": "empty value", "!!timestamp": "date"}[n.Tag]; ok {
		return kind
	}
	return "string"
}
