// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package layout holds the shape of the code: how large a directory and a file may be,
// and which way the files of a package refer to each other.
//
//	go test -v ./internal/layout
//
// prints the figures.
package layout

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root = "../.."
	// maxFiles and maxLines bound what a reader has to look through.
	maxFiles = 25
	maxLines = 400
)

// directory is the Go code of one directory, tests apart.
type directory struct {
	files        []string
	lines, tests int
	longest      string // the name of its longest file
	longestLines int
}

func directories(t *testing.T) map[string]*directory {
	t.Helper()
	all := map[string]*directory{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "testdata" || name == "bin" || name == "dist" || len(name) > 2 && name[0] == '.') {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), root+"/")
		if all[dir] == nil {
			all[dir] = &directory{}
		}
		it, n := all[dir], bytes.Count(text, []byte("\n"))
		if strings.HasSuffix(name, "_test.go") {
			it.tests += n
			return nil
		}
		it.files, it.lines = append(it.files, path), it.lines+n
		if n > it.longestLines {
			it.longest, it.longestLines = name, n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSizes keeps directories and files small, and prints the lines of each.
func TestSizes(t *testing.T) {
	all := directories(t)
	var shipped, rigs, tests int
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d := all[name]
		tests += d.tests
		switch top, _, _ := strings.Cut(name, "/"); {
		case top == "internal" || top == "benchmarks" || name == "cmd/skybridge-demo":
			rigs += d.lines
		case top != "deploy" && top != "tools":
			shipped += d.lines
		}
		t.Logf("%-28s %3d files %6d lines %6d of tests, longest %s %d", name, len(d.files), d.lines, d.tests, d.longest, d.longestLines)
		if len(d.files) > maxFiles && name != "aggregator" {
			t.Errorf("%s has %d files of code, more than %d: make a package of some", name, len(d.files), maxFiles)
		}
		if d.longestLines > maxLines {
			t.Errorf("%s/%s has %d lines, more than %d", name, d.longest, d.longestLines, maxLines)
		}
	}
	t.Logf("shipped %d, rigs and benchmarks %d, tests %d lines", shipped, rigs, tests)
}

// TestReferences counts references between the files of a package. A file refers to
// another one if it uses a name, a method or a field declared there, however often. The
// files stand in the order in which the fewest references run against the others; more
// than a tenth of them against it is a package that cannot be read from one end.
func TestReferences(t *testing.T) {
	for name, d := range directories(t) {
		if len(d.files) < 4 || strings.HasPrefix(name, "benchmarks") {
			continue
		}
		refs := references(t, d.files)
		order, against := arrange(refs)
		total := 0
		for _, to := range refs {
			total += len(to)
		}
		t.Logf("%-28s %3d of %3d references run against the others", name, len(against), total)
		if !walled(name) {
			continue
		}
		if len(against)*10 > total {
			t.Errorf("%s: %d of %d references run against the others:\n%s\nin the order %s", name, len(against), total, strings.Join(against, "\n"), strings.Join(order, " "))
		}
	}
}

// walled are the packages whose files must refer one way: all that is shipped but bridge,
// whose files are the parts of one struct, and aggregator.
func walled(name string) bool {
	return !strings.HasPrefix(name, "internal/") && name != "bridge" && name != "aggregator"
}

// references lists, for each file, the other files that it refers to.
func references(t *testing.T, paths []string) map[string]map[string]bool {
	t.Helper()
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	fset, _, pkg := checked(t, paths, info)
	refs := map[string]map[string]bool{}
	file := func(pos token.Pos) string { return filepath.Base(fset.Position(pos).Filename) }
	for _, path := range paths {
		refs[filepath.Base(path)] = map[string]bool{}
	}
	for id, to := range info.Uses {
		global := to.Pkg() == pkg && to.Parent() == pkg.Scope()
		switch to := to.(type) {
		case *types.Var:
			global = global || to.IsField()
		case *types.Func:
			global = true
		}
		if to.Pkg() == pkg && global && file(id.Pos()) != file(to.Pos()) {
			refs[file(id.Pos())][file(to.Pos())] = true
		}
	}
	return refs
}

// checked parses the files of a package and fills info. Only names of the package itself
// matter, so nothing is imported, and what cannot be checked for it is no error.
func checked(t *testing.T, paths []string, info *types.Info) (*token.FileSet, []*ast.File, *types.Package) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	config := types.Config{Importer: none{}, Error: func(error) {}}
	pkg, _ := config.Check("p", fset, files, info)
	return fset, files, pkg
}

// none imports nothing.
type none struct{}

func (none) Import(string) (*types.Package, error) { return nil, errors.New("not imported") }

// arrange orders files so that few references run backwards, and lists those. It takes
// the greedy order of Eades, Lin and Smyth and then moves single files while that helps.
func arrange(refs map[string]map[string]bool) (order, against []string) {
	left := slices.Sorted(maps.Keys(refs))
	var head, tail []string
	for len(left) > 0 {
		best, score, last := 0, -1<<30, false
		for i, f := range left {
			out, in := 0, 0
			for _, g := range left {
				if refs[f][g] {
					out++
				}
				if refs[g][f] {
					in++
				}
			}
			if out == 0 {
				best, last = i, true
				break
			}
			if out-in > score {
				best, score = i, out-in
			}
		}
		if last {
			tail = append(tail, left[best])
		} else {
			head = append(head, left[best])
		}
		left = slices.Delete(left, best, best+1)
	}
	slices.Reverse(tail)
	order = append(head, tail...)
	for improved := true; improved; {
		improved = false
		for i := range order {
			f := order[i]
			rest := slices.Delete(slices.Clone(order), i, i+1)
			// gain is how many fewer run against the others with f before rest[j].
			best, gain, most := i, 0, 0
			for j := i - 1; j >= 0; j-- {
				gain += count(refs, f, rest[j])
				if gain > most {
					best, most = j, gain
				}
			}
			gain = 0
			for j := i; j < len(rest); j++ {
				gain -= count(refs, f, rest[j])
				if gain > most {
					best, most = j+1, gain
				}
			}
			if most > 0 {
				order, improved = slices.Insert(rest, best, f), true
			}
		}
	}
	for i, f := range order {
		for _, g := range order[:i] {
			if refs[f][g] {
				against = append(against, f+" -> "+g)
			}
		}
	}
	return order, against
}

// count is by how much fewer references run against the others with f before g than
// with g before f.
func count(refs map[string]map[string]bool, f, g string) int {
	n := 0
	if refs[f][g] {
		n++
	}
	if refs[g][f] {
		n--
	}
	return n
}
