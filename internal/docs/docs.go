// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package docs reads the project's own documentation, so that tests can try what it
// tells people to do.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Page is a Markdown file.
type Page struct {
	// Path is relative to the repository's root, with slashes.
	Path string
	Text string
}

// Block is a fenced example.
type Block struct {
	Page string
	// Language stands behind the opening fence; a here-document marked YAML within a
	// shell example is a block of yaml as well.
	Language, Text string
}

// Pages reads every page of the repository that lies at root: those in the root
// itself, in docs and in deploy.
func Pages(root string) (pages []Page, err error) {
	files := os.DirFS(root)
	err = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		top, _, _ := strings.Cut(path, "/")
		switch {
		case err != nil:
			return err
		case d.IsDir() && !slices.Contains([]string{".", "docs", "deploy"}, top):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := fs.ReadFile(files, path)
		pages = append(pages, Page{path, string(text)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("docs: %w", err)
	}
	return pages, nil
}

var (
	fence        = regexp.MustCompile("(?ms)^([ ]*)```([a-z]+)\n(.*?)^[ ]*```")
	hereDocument = regexp.MustCompile(`(?s)<<'YAML'\n(.*?)\nYAML\n`)
)

// Blocks lists the page's examples in a language, in order.
func (p Page) Blocks(language string) []Block {
	var blocks []Block
	for _, m := range fence.FindAllStringSubmatch(p.Text, -1) {
		text := strings.ReplaceAll("\n"+m[3], "\n"+m[1], "\n")[1:] // without the indent of a list
		if m[2] == language {
			blocks = append(blocks, Block{p.Path, language, text})
		}
		if language != "yaml" {
			continue
		}
		for _, here := range hereDocument.FindAllStringSubmatch(text, -1) {
			blocks = append(blocks, Block{p.Path, language, here[1] + "\n"})
		}
	}
	return blocks
}
