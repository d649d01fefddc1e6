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
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// product are the rooms whose log lines an operator sees.
var product = []string{"aggregator", "bridge", "cmd/skybridge", "disk", "logging", "remotewrite", "replica"}

// TestLogReference holds docs/reference/logs.md against the code: every line at warn
// and error is in it, with its level, and it has no others.
func TestLogReference(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/reference/logs.md"))
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| (warn|error) \\| `([^`]+)` \\| (.+) \\|$").FindAllStringSubmatch(string(page), -1) {
		if written[m[2]] != "" {
			t.Errorf("twice on the page: %s", m[2])
		}
		written[m[2]] = m[1]
	}
	said := logLines(t)
	if len(said) < 40 {
		t.Errorf("only %d log lines were found in the code", len(said))
	}
	for message, level := range said {
		if written[message] != level {
			t.Errorf("docs/reference/logs.md has the level %q for the line at %s:\n%s", written[message], level, message)
		}
	}
	for message := range written {
		if said[message] == "" {
			t.Errorf("docs/reference/logs.md has a line that no one logs:\n%s", message)
		}
	}
}

// logger is a function that logs one of its parameters.
type logger struct {
	level string
	param int
}

// logLines lists the messages that product code logs at warn and error, by the level.
// Where a message does not end with its literal, … stands for the rest.
func logLines(t *testing.T) map[string]string {
	t.Helper()
	var functions []*ast.FuncDecl
	for _, room := range product {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
					functions = append(functions, f)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	lines := map[string]string{}
	loggers := map[string]logger{"Warn": {"warn", 0}, "Error": {"error", 0}, "WarnContext": {"warn", 1}, "ErrorContext": {"error", 1}}
	for known := 0; known != len(loggers); { // until no function turns out to log a parameter
		known = len(loggers)
		for _, f := range functions {
			ast.Inspect(f.Body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				to, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				l, logs := loggers[to.Sel.Name]
				if !logs || len(call.Args) <= l.param {
					return true // err.Error() has no arguments
				}
				if to.Sel.Name == "Error" && isPackage(to.X, "http") {
					return true
				}
				for _, message := range messages(f, call.Args[l.param]) {
					lines[message] = l.level
				}
				if i, ok := parameter(f, call.Args[l.param]); ok {
					loggers[f.Name.Name] = logger{l.level, i}
				}
				return true
			})
		}
	}
	return lines
}

func isPackage(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// messages are the texts that an argument of a call in f can be.
func messages(f *ast.FuncDecl, e ast.Expr) []string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return []string{text}
		}
	case *ast.BinaryExpr:
		if text := messages(f, e.X); len(text) == 1 {
			return []string{strings.TrimSuffix(text[0], "…") + "…"}
		}
	case *ast.Ident: // a variable of f: whatever text it is made of
		var all []string
		ast.Inspect(f.Body, func(n ast.Node) bool {
			assign, ok := n.(*ast.AssignStmt)
			if !ok || !isPackage(assign.Lhs[0], e.Name) {
				return true
			}
			for _, rhs := range assign.Rhs {
				ast.Inspect(rhs, func(n ast.Node) bool {
					if lit, ok := n.(*ast.BasicLit); ok {
						all = append(all, messages(f, lit)...)
					}
					return true
				})
			}
			return true
		})
		return all
	}
	return nil
}

// parameter tells which parameter of f the expression is.
func parameter(f *ast.FuncDecl, e ast.Expr) (int, bool) {
	id, ok := e.(*ast.Ident)
	if !ok {
		return 0, false
	}
	i := 0
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			if name.Name == id.Name {
				return i, true
			}
			i++
		}
	}
	return 0, false
}
