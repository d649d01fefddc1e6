// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
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
		r.fail(0, fmt.Sprintf("the file is larger than %d KiB", MaxFileSize>>10),
			"check that it is a configuration file")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	root, err := nextDocument(dec)
	if errors.Is(err, io.EOF) || err == nil && isNull(root) {
		r.fail(0, "the file is empty", "set at least skydive.analyzers")
		return nil
	}
	if err != nil {
		r.syntaxError(data, err)
		return nil
	}
	second, err := nextDocument(dec)
	switch {
	case errors.Is(err, io.EOF) || err == nil && isNull(second):
		// A closing "---" is harmless.
	case err != nil:
		r.syntaxError(data, err)
		return nil
	default:
		r.fail(second.Line, "a second document begins", "keep one document in a file, and remove the line ---")
		return nil
	}
	if root.Kind != yaml.MappingNode && root.Kind != yaml.AliasNode {
		r.fail(root.Line, "the file must be a mapping (key: value), it is a "+kindName(root),
			"begin with a key such as skydive:")
		return nil
	}
	return r.expand(root)
}

// nextDocument returns the root of the next document, or io.EOF. The parser is
// foreign code that is fed hostile input: what it cannot take is an error of
// the file, never the end of the process.
func nextDocument(dec *yaml.Decoder) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, errors.New("the YAML parser failed")
		}
	}()
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	return doc.Content[0], nil
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

// syntaxError notes an error of the YAML parser, whose text must not be
// trusted: it can quote the file ("unknown anchor 'pa55word'"), and its line is
// one too low when it comes from the grammar rather than from the scanner.
func (r *reader) syntaxError(data []byte, err error) {
	text, line := err.Error(), 0
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	if strings.Contains(text, "did not find expected") {
		line++
	}
	line = min(max(line, 1), bytes.Count(data, []byte("\n"))+1)

	if m := unknownAnchor.FindStringSubmatch(text); m != nil {
		r.fail(lineOf(data, bytes.Index(data, []byte("*"+m[1]))), "an alias (*) names an anchor (&) that does not exist",
			"put a value that begins with * in quotes")
		return
	}
	if !utf8.Valid(data) {
		at := 0
		for c, size := utf8.DecodeRune(data); c != utf8.RuneError || size > 1; c, size = utf8.DecodeRune(data[at:]) {
			at += size
		}
		r.fail(lineOf(data, at), "the file is not valid UTF-8", "save it as UTF-8")
		return
	}
	if strings.Contains(text, "control characters are not allowed") {
		at := bytes.IndexFunc(data, func(c rune) bool { return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7F })
		r.fail(lineOf(data, at), "a control character stands in the file", "remove it, or save the file as UTF-8")
		return
	}
	if at := tabIndentation(data); at > 0 && at <= line {
		r.fail(at, "a tab stands in the indentation", "indent with spaces; YAML allows no tabs there")
		return
	}
	for _, hint := range syntaxHints() {
		if strings.Contains(text, hint.match) {
			r.fail(line, "this is not valid YAML ("+hint.match+")", hint.remedy)
			return
		}
	}
	r.fail(line, "this is not valid YAML", "check the line and the one above")
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
