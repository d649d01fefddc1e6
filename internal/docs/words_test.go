// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// words are those that no reader would search for, and what to write instead. The
// glossary (docs/contributing/glossary.md) has the terms.
var words = []struct{ not, but string }{
	{`(?i)\banew\b`, "again, or: resets to 0"},
	{`(?i)\b(goes|go|went|going|gone) on\b`, "continue, resume"},
	{`(?i)\bl(ies|ie|ay) (there|on( the)? disk|in wait)\b`, "is on disk"},
	{`(?i)\b(nobody|whoever)\b`, "no process, the client that …"},
	{`(?i)\b(is|are|was|were) told\b`, "is notified, is configured"},
	{`(?i)\b(is|are|was|were|all|not) well\b`, "healthy, works"},
	{`(?i)\bin trouble\b`, "failing"},
	{`(?i)\bwho is talking\b`, "top connections"},
	{`(?i)\bPrometheis\b`, "Prometheus servers"},
	{`(?i)\bgoodbyes?\b`, "close frame"},
	{`(?i)\bheed(s|ed)?\b`, "honour, learn"},
	{`(?i)\b(kin|desks?|doom|doomed|tallied|sightings?)\b`, "conversation, worker, release, totals, observation"},
	{`(?i)\bfold(s|ed|ing)?\b`, "condensed (old samples), overflow (cardinality)"},
	{`(?i)[^-]\bthinn?(ed|ing|s)?\b`, "compact"},
	{`(^|[ (])shed(ding)?([ ,.;:)]|$)`, "dropped"},
	{`(?i)\bneither([.,;:]|$)`, "not even …, nor …"},
	{`(?i)\b(heard of|99 of 100|19 of 20)\b`, "received, p99, p95"},
}

// unread are directories and files without prose of the product, and the list of the
// words themselves.
var unread = []string{".git", "bin", "dist", "testdata", "LICENSE", "docs/contributing/glossary.md", "internal/docs/words_test.go"}

// TestWords holds pages, rules, manifests, the status page and Go's comments and texts
// to plain words.
func TestWords(t *testing.T) {
	patterns := make([]*regexp.Regexp, len(words))
	for i, w := range words {
		patterns[i] = regexp.MustCompile(w.not)
	}
	check := func(file, text string) {
		for i, p := range patterns {
			if found := p.FindString(text); found != "" {
				t.Errorf("%s: %q: write %q in\n%s", file, strings.TrimSpace(found), words[i].but, text)
			}
		}
	}
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		switch {
		case slices.Contains(unread, file) || slices.Contains(unread, d.Name()):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case filepath.Ext(file) == ".go":
			files++
			return goTexts(path, func(text string) { check(file, text) })
		case slices.Contains([]string{".md", ".yml", ".yaml", ".json", ".html", ".js", ".1", ".service", ".socket"}, filepath.Ext(file)):
			files++
			text, err := os.ReadFile(path)
			for line := range strings.Lines(string(text)) {
				check(file, line)
			}
			return err
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files were read: %v", files, err)
	}
}

// goTexts reads the comments and string literals of a Go file.
func goTexts(path string, read func(text string)) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, group := range file.Comments {
		read(strings.Join(strings.Fields(group.Text()), " "))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			read(lit.Value)
		}
		return true
	})
	return nil
}
