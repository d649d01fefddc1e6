// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"fmt"
	"go/ast"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// undetermined lists what in a package's files makes one run differ from another: the clock,
// randomness, and the order of maps.
func undetermined(t *testing.T, paths []string) (found []string) {
	t.Helper()
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	fset, files, _ := checked(t, paths, info)
	for _, f := range files {
		note := func(n ast.Node, what string) {
			found = append(found, fmt.Sprintf("%s %s", filepath.Base(fset.Position(n.Pos()).Filename), what))
		}
		for _, i := range f.Imports {
			if path := strings.Trim(i.Path.Value, `"`); slices.Contains([]string{"math/rand", "math/rand/v2", "crypto/rand"}, path) {
				note(i, path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && n.Sel.Name == "Now" {
					note(n, "time.Now")
				}
			case *ast.RangeStmt:
				if typ := info.Types[n.X].Type; typ != nil {
					if _, ok := typ.Underlying().(*types.Map); ok {
						note(n, "ranges over a map")
					}
				}
			}
			return true
		})
	}
	return found
}

// TestDeterminism keeps the aggregator a function of its inputs.
func TestDeterminism(t *testing.T) {
	for name, d := range directories(t) {
		if name != "aggregator" && !strings.HasPrefix(name, "aggregator/") {
			continue
		}
		for _, what := range undetermined(t, d.files) {
			t.Errorf("%s/%s", name, what)
		}
	}
}
